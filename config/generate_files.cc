// brevdue-config-files FOLDER: writes brevdue.toml and man/brevdue.toml.5.scd below the folder.
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>

#include "config/print.h"
#include "core/file_system.h"

int main(int argument_count, char** arguments) {
  using namespace brevdue;
  if (argument_count != 2) {
    std::fputs("usage: brevdue-config-files FOLDER\n", stderr);
    return 64;
  }
  const std::string folder = arguments[1];
  RealFileSystem files;
  auto directory = files.open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0);
  auto man = files.open(AT_FDCWD, folder + "/man", O_RDONLY | O_DIRECTORY, 0);
  Result<void> written;
  if (!directory) written = propagate(directory.error());
  if (!man) written = propagate(man.error());
  if (written) {
    written = replace_file(files, directory->get(), "brevdue.toml", config::default_file(), 0644);
  }
  if (written) {
    written =
        replace_file(files, man->get(), "brevdue.toml.5.scd", config::man_page_source(), 0644);
  }
  if (written) return 0;
  fmt::print(stderr, "brevdue-config-files: {}\n", describe(written.error()));
  return 1;
}

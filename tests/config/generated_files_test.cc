// The files in packaging that are made from the settings table are those that it makes now.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "config/print.h"
#include "core/file_system.h"

namespace brevdue::config {
namespace {

std::string packaged(const std::string& name) {
  RealFileSystem files;
  auto text = read_file(files, AT_FDCWD, BREVDUE_PACKAGING "/" + name, 1 << 20);
  return text ? *text : "cannot read " + name;
}

constexpr const char* remedy = "run scripts/generate-config-files";

TEST(GeneratedFiles, TheDefaultFileIsCurrent) {
  EXPECT_EQ(packaged("brevdue.toml"), default_file()) << remedy;
}

TEST(GeneratedFiles, TheManPageIsCurrent) {
  EXPECT_EQ(packaged("man/brevdue.toml.5.scd"), man_page_source()) << remedy;
}

TEST(GeneratedFiles, TheDefaultFileChangesNothing) {
  const auto loaded = parse(default_file(), "brevdue.toml");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().front().describe();
  EXPECT_EQ(*loaded, defaults());
}

TEST(GeneratedFiles, EveryLineOfTheDefaultFileCanBeUncommented) {
  std::string text = default_file();
  for (std::size_t at = 0; (at = text.find("\n#", at)) != std::string::npos; ++at) {
    if (at + 2 < text.size() && text[at + 2] != ' ') text.erase(at + 1, 1);
  }
  ASSERT_NE(text.find("\nbackend = "), std::string::npos);
  ASSERT_NE(text.find("\n[[listen]]"), std::string::npos);
  const auto loaded = parse(text, "brevdue.toml");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().front().describe();
  EXPECT_EQ(*loaded, defaults());
}

}  // namespace
}  // namespace brevdue::config

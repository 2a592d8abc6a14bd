#include "tests/support/temporary_directory.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>

namespace brevdue::tests {

TemporaryDirectory::TemporaryDirectory(const std::string& parent)
    : path_(parent + "/brevdue-test-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) {
    throw std::runtime_error("mkdtemp " + path_ + ": " + std::generic_category().message(errno));
  }
  fd_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd_) throw std::runtime_error("cannot open " + path_);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::default_parent() {
  const char* named = std::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/tmp";
}

std::string TemporaryDirectory::path_of(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

void TemporaryDirectory::write(std::string_view name, std::string_view text) const {
  std::ofstream file(path_of(name), std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path_of(name));
}

std::string TemporaryDirectory::read(std::string_view name) const {
  std::ifstream file(path_of(name), std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path_of(name));
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

bool TemporaryDirectory::contains(std::string_view name) const {
  return std::filesystem::exists(path_of(name));
}

}  // namespace brevdue::tests

// A fresh directory of one test, removed with all that is in it at the end of its life.
//
// Made below `parent`, by default $TMPDIR or /tmp (for tests on a mounted image: its mount point).
// Throws std::runtime_error if it cannot be made, which fails the test.
#pragma once

#include <string>
#include <string_view>

#include "core/unique_fd.h"

namespace brevdue::tests {

class TemporaryDirectory {
 public:
  TemporaryDirectory() : TemporaryDirectory(default_parent()) {}
  explicit TemporaryDirectory(const std::string& parent);
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  static std::string default_parent();

  const std::string& path() const { return path_; }
  std::string path_of(std::string_view name) const;
  int fd() const { return fd_.get(); }

  // For tests that prepare or look at files behind the program's back; they throw on failure.
  void write(std::string_view name, std::string_view text) const;
  std::string read(std::string_view name) const;
  bool contains(std::string_view name) const;

 private:
  std::string path_;
  UniqueFd fd_;
};

}  // namespace brevdue::tests

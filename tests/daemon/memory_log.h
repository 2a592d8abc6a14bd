// A Log whose lines a test can read: they go to a memory file.
#pragma once

#include <stdexcept>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "core/log.h"
#include "core/unique_fd.h"

namespace brevdue::tests {

class MemoryLog {
 public:
  explicit MemoryLog(const Clock& clock)
      : file_(::memfd_create("log", MFD_CLOEXEC)), log_(options(), clock) {
    if (!file_) throw std::runtime_error("memfd_create");
  }

  const Log& log() const { return log_; }

  std::string text() const {
    std::string text(1u << 20, '\0');
    const ssize_t n = ::pread(file_.get(), text.data(), text.size(), 0);
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
  }
  bool says(std::string_view words) const { return text().find(words) != std::string::npos; }

 private:
  LogOptions options() const { return {"mx", "brevdue", "qmgr", file_.get(), false}; }

  UniqueFd file_;
  Log log_;
};

}  // namespace brevdue::tests

// A book on the disk: a file of lines that is only ever appended to.
//
// Lines gather in `pending()` until flush, which puts them out with one write (O_APPEND), so
// several programs may share a file. A book that cannot be written ends the program that keeps it:
// a run whose books have a hole proves nothing.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::load {

class BookFile {
 public:
  // An empty path keeps no book.
  Result<void> open(const std::string& path);
  bool is_open() const { return static_cast<bool>(fd_); }
  std::string& pending() { return pending_; }
  Result<void> flush();

 private:
  UniqueFd fd_;
  std::string path_;
  std::string pending_;
};

// Calls `take` with each line, without its newline; stops at the first error. The last line must
// have its newline: a torn book is an error.
Result<void> for_each_line(const std::string& path,
                           const std::function<Result<void>(std::string_view)>& take);

}  // namespace brevdue::load

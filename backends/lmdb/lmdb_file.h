// An LMDB file as pages, read with ordinary calls: a block that the device cannot read is an error
// and not the end of the process. Any thread.
#pragma once

#include <string>

#include "backends/lmdb/lmdb_page.h"
#include "core/error.h"
#include "core/unique_fd.h"

namespace brevdue::backends {

class LmdbFile {
 public:
  // not_found if there is none.
  static Result<LmdbFile> open(const std::string& path);

  std::size_t page_size() const { return page_size_; }
  PageNumber pages() const { return pages_; }  // whole ones
  Result<std::string> page(PageNumber number) const;
  // A value of `size` bytes that begins in this page.
  Result<std::string> value(PageNumber first, std::uint64_t size) const;

 private:
  Result<std::string> read(std::uint64_t offset, std::uint64_t size) const;

  UniqueFd file_;
  std::size_t page_size_ = 0;
  PageNumber pages_ = 0;
};

}  // namespace brevdue::backends

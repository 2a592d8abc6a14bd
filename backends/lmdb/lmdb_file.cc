#include "backends/lmdb/lmdb_file.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace brevdue::backends {

Result<LmdbFile> LmdbFile::open(const std::string& path) {
  LmdbFile opened;
  opened.file_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat found{};
  if (!opened.file_ || ::fstat(opened.file_.get(), &found) != 0) {
    return fail_os(errno, "lmdb: open " + path);
  }
  // That of the system, as liblmdb takes it.
  opened.page_size_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  opened.pages_ = static_cast<std::uint64_t>(found.st_size) / opened.page_size_;
  return opened;
}

Result<std::string> LmdbFile::read(std::uint64_t offset, std::uint64_t size) const {
  std::string bytes(size, '\0');
  for (std::uint64_t done = 0; done < size;) {
    const ssize_t n =
        ::pread(file_.get(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_os(errno, "lmdb: read data.mdb");
    if (n == 0) return fail(ErrorCode::corrupt, "lmdb: data.mdb ends too early");
    done += static_cast<std::uint64_t>(n);
  }
  return bytes;
}

Result<std::string> LmdbFile::page(PageNumber number) const {
  if (number >= pages_) return fail(ErrorCode::corrupt, "lmdb: data.mdb ends too early");
  return read(number * page_size_, page_size_);
}

Result<std::string> LmdbFile::value(PageNumber first, std::uint64_t size) const {
  const std::uint64_t count = overflow_count(size, page_size_);
  if (first >= pages_ || count > pages_ - first) {
    return fail(ErrorCode::corrupt, "lmdb: data.mdb ends too early");
  }
  return read(first * page_size_ + page_header_size, size);
}

}  // namespace brevdue::backends

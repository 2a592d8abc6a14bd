#include "bench/store/bare_write.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <liburing.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backends/iouring/aligned_buffer.h"

namespace brevdue::bench {

namespace {
constexpr std::size_t block = 4096;
constexpr std::size_t buffer_size = std::size_t{2} << 20;
// Header, envelope and record header of the log, about.
constexpr std::size_t overhead = 200;

[[noreturn]] void fail_with(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}
}  // namespace

struct BareWrite::Ring {
  io_uring ring{};
  backends::AlignedBuffer buffer{buffer_size};
  std::string message;
};

BareWrite::BareWrite(const std::string& directory, std::uint64_t file_size)
    : path_(fmt::format("{}/bare-write.{}", directory, ::getpid())),
      file_size_(file_size),
      ring_(new Ring) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
  if (fd_ < 0) fail_with(errno, path_);
  for (std::uint64_t at = 0; at < file_size; at += buffer_size) {
    if (::pwrite(fd_, ring_->buffer.bytes(), buffer_size, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(buffer_size)) {
      fail_with(errno, path_);
    }
  }
  if (::fsync(fd_) != 0) fail_with(errno, path_);
  const int error =
      io_uring_queue_init(8, &ring_->ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
  if (error != 0) fail_with(-error, "io_uring");
}

BareWrite::~BareWrite() {
  io_uring_queue_exit(&ring_->ring);
  ::close(fd_);
  ::unlink(path_.c_str());
  delete ring_;
}

void BareWrite::write(unsigned messages, std::size_t message_size) {
  const std::size_t one = message_size + overhead;
  const std::size_t size = (messages * one + block - 1) / block * block;
  if (size > buffer_size) throw std::runtime_error("batch larger than the buffer");
  ring_->message.resize(one, 'x');
  for (unsigned i = 0; i < messages; ++i) {
    std::memcpy(ring_->buffer.bytes() + i * one, ring_->message.data(), one);
  }
  if (offset_ + size > file_size_) offset_ = 0;
  io_uring_sqe* entry = io_uring_get_sqe(&ring_->ring);
  io_uring_prep_write(entry, fd_, ring_->buffer.bytes(), static_cast<unsigned>(size), offset_);
  entry->rw_flags = RWF_DSYNC;
  io_uring_submit_and_wait(&ring_->ring, 1);
  io_uring_cqe* completion = nullptr;
  const int error = io_uring_wait_cqe(&ring_->ring, &completion);
  if (error != 0) fail_with(-error, "io_uring");
  if (completion->res != static_cast<int>(size)) fail_with(EIO, path_);
  io_uring_cqe_seen(&ring_->ring, completion);
  offset_ += size;
}

}  // namespace brevdue::bench

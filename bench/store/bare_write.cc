#include "bench/store/bare_write.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <liburing.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backends/iouring/aligned_buffer.h"
#include "queue/committer.h"

namespace brevdue::bench {

namespace {
constexpr std::size_t block = 4096;
constexpr std::size_t huge_page = backends::AlignedBuffer::huge_page;
// Header, envelope and record header of the log, about.
constexpr std::size_t overhead = 200;

[[noreturn]] void fail_with(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

void write_zeros(int fd, std::uint64_t size, const std::string& where) {
  backends::AlignedBuffer zeros(huge_page);
  for (std::uint64_t at = 0; at < size; at += zeros.size()) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), size - at));
    const ssize_t written = ::pwrite(fd, zeros.bytes(), part, static_cast<off_t>(at));
    if (written < 0) fail_with(errno, where);
    if (static_cast<std::size_t>(written) != part) fail_with(EIO, where);
  }
  if (::fsync(fd) != 0) fail_with(errno, where);
}
}  // namespace

BareBatches::BareBatches(unsigned writers, std::size_t size, unsigned depth_wanted)
    : depth(std::min(depth_wanted, writers)), message_size(size) {
  const std::size_t one = message_size + overhead;
  const std::size_t fit = std::max<std::size_t>(1, queue::CommitterOptions().batch_bytes_max / one);
  messages = static_cast<unsigned>(std::min<std::size_t>(writers / depth, fit));
  bytes = (messages * one + block - 1) / block * block;
}

struct BareWrite::Ring {
  struct Place {
    backends::AlignedBuffer buffer;
    std::chrono::steady_clock::time_point submitted;
  };

  Ring() {
    const int error =
        io_uring_queue_init(8, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    if (error != 0) fail_with(-error, "io_uring");
  }
  ~Ring() { io_uring_queue_exit(&ring); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  io_uring ring{};
  std::vector<Place> places;
};

BareWrite::BareWrite(const std::string& directory, std::uint64_t file_size,
                     const BareBatches& batches)
    : batches_(batches),
      directory_(directory),
      message_(batches.message_size + overhead, 'x'),
      file_size_(std::max<std::uint64_t>(file_size / batches.bytes, 1) * batches.bytes),
      file_(::open(directory.c_str(), O_RDWR | O_TMPFILE | O_DIRECT | O_CLOEXEC, 0600)) {
  if (!file_) fail_with(errno, directory_);
  write_zeros(file_.get(), file_size_, directory_);
  ring_ = std::make_unique<Ring>();
  for (unsigned place = 0; place < batches_.depth; ++place) {
    ring_->places.push_back({backends::AlignedBuffer(std::max(batches_.bytes, huge_page)), {}});
  }
}

BareWrite::~BareWrite() = default;

void BareWrite::start() {
  for (unsigned place = 0; place < batches_.depth; ++place) prepare(place);
}

std::chrono::nanoseconds BareWrite::next() {
  const unsigned place = wait();
  const auto took = std::chrono::steady_clock::now() - ring_->places[place].submitted;
  prepare(place);
  return took;
}

void BareWrite::stop() {
  while (in_flight_ > 0) wait();
}

void BareWrite::prepare(unsigned place) {
  Ring::Place& to = ring_->places[place];
  to.submitted = std::chrono::steady_clock::now();
  for (unsigned i = 0; i < batches_.messages; ++i) {
    std::memcpy(to.buffer.bytes() + i * message_.size(), message_.data(), message_.size());
  }
  io_uring_sqe* entry = io_uring_get_sqe(&ring_->ring);
  io_uring_prep_write(entry, file_.get(), to.buffer.bytes(), static_cast<unsigned>(batches_.bytes),
                      offset_);
  entry->rw_flags = RWF_DSYNC;
  io_uring_sqe_set_data64(entry, place);
  ++in_flight_;
  offset_ = (offset_ + batches_.bytes) % file_size_;
}

unsigned BareWrite::wait() {
  // Submits what was prepared as well: one system call a batch.
  const int submitted = io_uring_submit_and_wait(&ring_->ring, 1);
  if (submitted < 0) fail_with(-submitted, "io_uring");
  io_uring_cqe* completion = nullptr;
  const int error = io_uring_wait_cqe(&ring_->ring, &completion);
  if (error != 0) fail_with(-error, "io_uring");
  const int written = completion->res;
  const auto place = static_cast<unsigned>(io_uring_cqe_get_data64(completion));
  io_uring_cqe_seen(&ring_->ring, completion);
  --in_flight_;
  if (written < 0) fail_with(-written, directory_);
  if (static_cast<std::size_t>(written) != batches_.bytes) fail_with(EIO, directory_);
  return place;
}

}  // namespace brevdue::bench

// Memory for direct I/O: aligned to two mebibytes and in huge pages where the kernel gives them,
// since the pieces a device takes in one request are counted in pages. Throws std::bad_alloc.
#pragma once

#include <cstddef>
#include <new>
#include <string_view>
#include <utility>

#include <sys/mman.h>

namespace brevdue::backends {

class AlignedBuffer {
 public:
  static constexpr std::size_t huge_page = std::size_t{2} << 20;  // a smaller buffer is in none

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size) : size_(size) {
    const std::size_t slack = size >= huge_page ? huge_page : 0;
    mapped_size_ = size + slack;
    mapped_ =
        ::mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped_ == MAP_FAILED) throw std::bad_alloc();
    bytes_ = static_cast<char*>(mapped_);
    if (slack == 0) return;
    bytes_ += (huge_page - reinterpret_cast<std::size_t>(bytes_) % huge_page) % huge_page;
    // Advice only: without huge pages the batch is cut into more requests and nothing else changes.
    (void)::madvise(bytes_, size, MADV_HUGEPAGE);
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    AlignedBuffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~AlignedBuffer() {
    if (bytes_ != nullptr) ::munmap(mapped_, mapped_size_);
  }

  char* bytes() { return bytes_; }
  std::size_t size() const { return size_; }
  std::string_view view() const { return {bytes_, size_}; }

 private:
  void swap(AlignedBuffer& other) noexcept {
    std::swap(mapped_, other.mapped_);
    std::swap(mapped_size_, other.mapped_size_);
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
  }

  void* mapped_ = nullptr;
  std::size_t mapped_size_ = 0;
  char* bytes_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace brevdue::backends

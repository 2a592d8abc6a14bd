// Immutable bytes with shared ownership: content and encoded envelopes on their way between the
// channel, the cache, the committer and a store without being copied. Copying one costs an atomic
// increment; it may cross threads.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace brevdue {

class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(std::string_view bytes) {
    if (bytes.empty()) return;
    auto block = std::make_shared_for_overwrite<char[]>(bytes.size());
    bytes.copy(block.get(), bytes.size());
    size_ = bytes.size();
    block_ = std::move(block);
  }
  // Takes `size` bytes that the caller has filled and will not change again.
  SharedBytes(std::shared_ptr<const char[]> block, std::size_t size)
      : block_(std::move(block)), size_(size) {}

  // A part of view(), which keeps all of it alive.
  SharedBytes part(std::string_view of_view) const {
    return {std::shared_ptr<const char[]>(block_, of_view.data()), of_view.size()};
  }

  std::string_view view() const { return {block_.get(), size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::shared_ptr<const char[]> block_;
  std::size_t size_ = 0;
};

}  // namespace brevdue

// What a frame carries, as its receiver sees it: valid during the call that hands it over. What is
// to stay longer is kept: copied, unless it is most of a large frame, which lies in a block of its
// own (FrameReader).
#pragma once

#include <string_view>
#include <utility>

#include "core/shared_bytes.h"

namespace brevdue::ipc {

class Payload {
 public:
  explicit Payload(std::string_view bytes) : bytes_(bytes) {}
  explicit Payload(SharedBytes block) : block_(std::move(block)), bytes_(block_.view()) {}

  std::string_view view() const { return bytes_; }
  operator std::string_view() const { return bytes_; }

  // `part` is a part of view().
  SharedBytes keep(std::string_view part) const {
    const bool worth_the_block = !block_.empty() && part.size() >= block_.size() / 2;
    return worth_the_block ? block_.part(part) : SharedBytes(part);
  }

 private:
  SharedBytes block_;
  std::string_view bytes_;
};

}  // namespace brevdue::ipc

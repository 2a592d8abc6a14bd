// Framed messages over a Unix stream socket between two processes of Brevdue, with descriptors
// beside them.
//
// A frame on the wire: length of the payload (32 bits, little-endian), type (8 bits), whether a
// descriptor comes with it (8 bits), payload. What is sent in one turn of the loop leaves in as few
// writes as possible; content is written from where it lies. A frame over the bound, or a
// descriptor missing or too many, closes the channel with `protocol`: the peer is one of ours but
// not trusted to be right.
//
// Loop thread only. The payload given to on_frame is valid during the call. After on_closed, which
// is called once, nothing is called any more. The owner may destroy the channel inside either.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "core/error.h"
#include "core/shared_bytes.h"
#include "core/unique_fd.h"
#include "ipc/frame_reader.h"
#include "ipc/payload.h"

namespace brevdue::ipc {

class Channel {
 public:
  static constexpr std::size_t frame_bytes_max = ipc::frame_bytes_max;
  using OnFrame = std::function<void(std::uint8_t type, const Payload& payload, UniqueFd fd)>;
  using OnClosed = std::function<void(Error reason)>;

  Channel(boost::asio::io_context& loop, UniqueFd socket);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void start(OnFrame on_frame, OnClosed on_closed);

  // The payload is `head` followed by `tail`.
  void send(std::uint8_t type, std::string head, SharedBytes tail = {}, UniqueFd fd = {});
  // Bytes handed to send() and not yet taken by the kernel.
  std::size_t unsent() const;
  // Calls back once when unsent() has fallen to nothing; at once if it is.
  void when_drained(std::function<void()> task);
  bool is_open() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace brevdue::ipc

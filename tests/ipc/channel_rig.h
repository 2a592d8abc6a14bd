// A Channel whose peer is a bare socket, for what no Channel would send, or another Channel.
#pragma once

#include <cstring>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <sys/mman.h>
#include <sys/socket.h>

#include "core/bytes.h"
#include "ipc/channel.h"

namespace brevdue::tests {

struct Frame {
  std::uint8_t type;
  std::string payload;
  std::string descriptor;  // what can be read from it; empty for none

  bool operator==(const Frame&) const = default;
};

// A descriptor that says `text`.
inline UniqueFd descriptor_of(const std::string& text) {
  UniqueFd fd(::memfd_create("descriptor", MFD_CLOEXEC));
  if (::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error("memfd");
  }
  return fd;
}

inline std::string text_of(const UniqueFd& fd) {
  if (!fd) return {};
  std::string text(256, '\0');
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

inline std::size_t open_descriptors() {
  std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// A frame as it is on the wire.
inline std::string on_wire(std::uint8_t type, const std::string& payload,
                           std::uint8_t with_fd = 0) {
  std::string bytes;
  put(bytes, static_cast<std::uint32_t>(payload.size()));
  put(bytes, type);
  put(bytes, with_fd);
  return bytes + payload;
}

struct ChannelEnd {
  void start() {
    channel->start(
        [this](std::uint8_t type, std::string_view payload, UniqueFd fd) {
          frames.push_back({type, std::string(payload), text_of(fd)});
          if (on_frame) on_frame();
        },
        [this](Error reason) {
          if (closed) throw std::runtime_error("closed twice");
          closed = std::move(reason);
          if (on_closed) on_closed();
        });
  }

  std::unique_ptr<ipc::Channel> channel;
  std::vector<Frame> frames;
  std::optional<Error> closed;
  std::function<void()> on_frame;
  std::function<void()> on_closed;
};

struct ChannelRig {
  ChannelRig() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::runtime_error("socketpair");
    }
    here.channel = std::make_unique<ipc::Channel>(loop, UniqueFd(ends[0]));
    peer.reset(ends[1]);
  }

  // The other end becomes a Channel too.
  void join() {
    there.channel = std::make_unique<ipc::Channel>(loop, std::move(peer));
    there.start();
  }

  // Everything that can happen without anybody else.
  void run() {
    do {
      loop.restart();
    } while (loop.poll() > 0);
  }

  void write(const std::string& bytes, std::initializer_list<int> descriptors = {}) {
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 32)> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (descriptors.size() > 0) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
      std::memcpy(CMSG_DATA(c), std::data(descriptors), sizeof(int) * descriptors.size());
    }
    const ssize_t n = ::sendmsg(peer.get(), &message, MSG_NOSIGNAL);
    if (n != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("sendmsg");
  }

  // What the channel has written so far.
  std::string read() {
    std::string bytes(1 << 20, '\0');
    const ssize_t n = ::recv(peer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return bytes;
  }

  boost::asio::io_context loop;
  UniqueFd peer;
  ChannelEnd here;
  ChannelEnd there;
};

}  // namespace brevdue::tests

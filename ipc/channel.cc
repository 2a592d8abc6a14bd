#include "ipc/channel.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/bytes.h"

namespace brevdue::ipc {

namespace {
// Read in one turn, so that one busy channel does not starve the others.
constexpr std::size_t turn_bytes_max = std::size_t{1} << 20;
constexpr std::size_t pieces_max = 64;
constexpr std::size_t descriptors_max = 16;
}  // namespace

struct Channel::State : std::enable_shared_from_this<State> {
  struct Piece {
    std::string head;  // frame header and the first part of the payload
    SharedBytes tail;
    UniqueFd fd;
  };

  State(boost::asio::io_context& loop_in, UniqueFd socket)
      : loop(loop_in), descriptor(loop_in, socket.release()) {
    const int fd = descriptor.native_handle();
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }

  void close(Error reason) {
    if (!open) return;
    open = false;
    boost::system::error_code ignored;
    descriptor.close(ignored);
    if (auto callback = std::move(on_closed)) callback(std::move(reason));
  }

  void wait_readable() {
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](boost::system::error_code error) {
                            if (!error && self->open) self->read();
                          });
  }

  void read() {
    const auto self = shared_from_this();
    std::size_t taken = 0;
    while (open && taken < turn_bytes_max) {
      const ssize_t n = receive();
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (n < 0) return close(Error{ErrorCode::unavailable, errno, "channel"});
      if (n == 0) return close(Error{ErrorCode::unavailable, 0, "channel closed by its peer"});
      taken += static_cast<std::size_t>(n);
      reader.received(static_cast<std::size_t>(n));
      deliver();
      if (!reader.filled_the_space()) break;
    }
    if (open) wait_readable();
  }

  ssize_t receive() {
    const auto space = reader.space();
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * descriptors_max)> control;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(space.data());
    message.msg_iovlen = space.size();
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n =
        ::recvmsg(descriptor.native_handle(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n <= 0) return n;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
        descriptors.emplace_back(fd);
      }
    }
    return n;
  }

  void deliver() {
    while (open) {
      auto frame = reader.next();
      if (!frame) return close(std::move(frame.error()));
      if (!*frame) break;
      UniqueFd fd;
      if ((*frame)->with_descriptor) {
        if (descriptors.empty()) {
          return close(Error{ErrorCode::protocol, 0, "channel: a descriptor is missing"});
        }
        fd = std::move(descriptors.front());
        descriptors.pop_front();
      }
      on_frame((*frame)->type, (*frame)->payload, std::move(fd));
    }
    if (!open) return;
    // One comes with the first byte of its frame: more than that would only pile up.
    if (descriptors.size() > (reader.within_frame() ? 1u : 0u)) {
      return close(Error{ErrorCode::protocol, 0, "channel: a descriptor too many"});
    }
  }

  void schedule_flush() {
    if (flush_scheduled || blocked || !open) return;
    flush_scheduled = true;
    boost::asio::post(loop, [self = shared_from_this()] {
      self->flush_scheduled = false;
      self->flush();
    });
  }

  void flush() {
    while (open && !pieces.empty()) {
      const ssize_t n = transmit();
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return wait_writable();
      if (n < 0) return close(Error{ErrorCode::unavailable, errno, "channel"});
      sent(static_cast<std::size_t>(n));
    }
    if (open && pieces.empty() && drained) std::exchange(drained, nullptr)();
  }

  // Pieces up to, and not with, the next one that carries a descriptor: that one starts a message.
  ssize_t transmit() {
    std::array<iovec, pieces_max * 2> vectors;
    std::size_t count = 0;
    std::size_t skip = front_sent;
    for (std::size_t i = 0; i < pieces.size() && i < pieces_max; ++i) {
      Piece& piece = pieces[i];
      if (i > 0 && piece.fd) break;
      for (const std::string_view part : {std::string_view(piece.head), piece.tail.view()}) {
        const std::size_t skipped = std::min(skip, part.size());
        skip -= skipped;
        if (part.size() == skipped) continue;
        vectors[count++] = {const_cast<char*>(part.data()) + skipped, part.size() - skipped};
      }
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (pieces.front().fd) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(sizeof(int));
      const int fd = pieces.front().fd.get();
      std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    const ssize_t n = ::sendmsg(descriptor.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) pieces.front().fd.reset();
    return n;
  }

  void sent(std::size_t n) {
    unsent -= n;
    front_sent += n;
    while (!pieces.empty() &&
           front_sent >= pieces.front().head.size() + pieces.front().tail.size()) {
      front_sent -= pieces.front().head.size() + pieces.front().tail.size();
      pieces.pop_front();
    }
  }

  void wait_writable() {
    blocked = true;
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                          [self = shared_from_this()](boost::system::error_code error) {
                            self->blocked = false;
                            if (!error) self->flush();
                          });
  }

  boost::asio::io_context& loop;
  boost::asio::posix::stream_descriptor descriptor;
  OnFrame on_frame;
  OnClosed on_closed;
  std::function<void()> drained;
  FrameReader reader;
  std::deque<UniqueFd> descriptors;
  std::deque<Piece> pieces;
  std::size_t front_sent = 0;
  std::size_t unsent = 0;
  bool open = true;
  bool blocked = false;
  bool flush_scheduled = false;
};

Channel::Channel(boost::asio::io_context& loop, UniqueFd socket)
    : state_(std::make_shared<State>(loop, std::move(socket))) {}

Channel::~Channel() {
  state_->on_closed = nullptr;
  state_->close(Error{ErrorCode::cancelled, 0, "channel"});
}

void Channel::start(OnFrame on_frame, OnClosed on_closed) {
  state_->on_frame = std::move(on_frame);
  state_->on_closed = std::move(on_closed);
  state_->wait_readable();
}

void Channel::send(std::uint8_t type, std::string head, SharedBytes tail, UniqueFd fd) {
  if (!state_->open) return;
  std::string framed;
  framed.reserve(frame_header_bytes + head.size());
  put(framed, static_cast<std::uint32_t>(head.size() + tail.size()));
  put(framed, type);
  put(framed, static_cast<std::uint8_t>(fd ? 1 : 0));
  framed += head;
  state_->unsent += framed.size() + tail.size();
  state_->pieces.push_back({std::move(framed), std::move(tail), std::move(fd)});
  state_->schedule_flush();
}

std::size_t Channel::unsent() const {
  return state_->unsent;
}

void Channel::when_drained(std::function<void()> task) {
  if (!state_->open || state_->unsent == 0) return task();
  state_->drained = std::move(task);
}

bool Channel::is_open() const {
  return state_->open;
}

}  // namespace brevdue::ipc

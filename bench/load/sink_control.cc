#include "bench/load/sink_control.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace brevdue::load {

namespace {

constexpr std::size_t longest_line = 1024;

}  // namespace

class ControlConnection final : public EventHandler {
 public:
  ControlConnection(SinkControl& control, UniqueFd fd) : control_(control), fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }

  void on_events(std::uint32_t) override {
    if (!fd_) return;
    std::array<char, longest_line> buffer;
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0) in_.append(buffer.data(), static_cast<std::size_t>(got));
    if (got <= 0 || in_.size() > 2 * longest_line) return end();
    for (std::size_t newline = in_.find('\n'); newline != std::string::npos;
         newline = in_.find('\n')) {
      const std::string answer = control_.answer(std::string_view(in_).substr(0, newline)) + "\n";
      in_.erase(0, newline + 1);
      // Answers are a few hundred bytes; a peer that does not read them is not worth waiting for.
      const ssize_t sent = ::send(fd_.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      if (sent != static_cast<ssize_t>(answer.size())) return end();
    }
  }

 private:
  void end() {
    fd_.reset();
    const auto found = control_.connections_.find(this);
    control_.loop_.bury(std::move(found->second));
    control_.connections_.erase(found);
  }

  SinkControl& control_;
  UniqueFd fd_;
  std::string in_;
};

SinkControl::SinkControl(EventLoop& loop, SinkShared& shared) : loop_(loop), shared_(shared) {}

SinkControl::~SinkControl() {
  if (listener_) ::unlink(path_.c_str());
}

Result<void> SinkControl::open(const std::string& path) {
  if (path.empty()) return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::invalid_argument, "the path of the control socket is too long: " + path);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_os(errno, "socket");
  ::unlink(path.c_str());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 16) != 0) {
    return fail_os(errno, "cannot listen on " + path);
  }
  path_ = path;
  listener_ = std::move(fd);
  return loop_.add(listener_.get(), EPOLLIN, this);
}

void SinkControl::on_events(std::uint32_t) {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) return;
  auto connection = std::make_unique<ControlConnection>(*this, std::move(fd));
  if (!loop_.add(connection->fd(), EPOLLIN, connection.get())) return;
  ControlConnection* raw = connection.get();
  connections_.emplace(raw, std::move(connection));
}

std::string SinkControl::answer(std::string_view command) {
  if (command == "stats") return to_json(shared_.counters);
  if (command == "faults on" || command == "faults off") {
    shared_.faults.enable(command == "faults on");
    return "ok";
  }
  if (command == "quit") {
    loop_.stop();
    return "ok";
  }
  return "error: stats | faults on | faults off | quit";
}

}  // namespace brevdue::load

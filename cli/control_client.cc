#include "cli/control_client.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

#include "core/bytes.h"

namespace brevdue::cli {

namespace {
constexpr std::size_t header_size = 6;  // as ipc::Channel frames them
constexpr std::size_t frame_max = 64u << 20;
}  // namespace

Result<ControlClient> ControlClient::connect(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::invalid_argument, "control.socket is too long: " + socket_path);
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_os(errno, "socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) {
      return fail(ErrorCode::unavailable,
                  "Brevdue is not running (nobody answers on " + socket_path + ")");
    }
    return fail_os(errno, "connect to " + socket_path);
  }
  return ControlClient(std::move(socket));
}

Result<void> ControlClient::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_os(errno, "control socket");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> ControlClient::read(char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::recv(socket_.get(), to, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_os(errno, "control socket");
    if (n == 0) {
      return fail(
          ErrorCode::unavailable,
          "the connection was closed; only root and the user that Brevdue's queue runs as may ask");
    }
    to += n;
    size -= static_cast<std::size_t>(n);
  }
  return {};
}

Result<ipc::ControlDone> ControlClient::ask(const ipc::ControlRequest& request,
                                            const OnFrame& on_frame) {
  const std::string payload = encode(request);
  std::string frame;
  put(frame, static_cast<std::uint32_t>(payload.size()));
  put(frame, static_cast<std::uint8_t>(ipc::ControlFrame::request));
  put(frame, std::uint8_t{0});
  if (auto done = write(frame + payload); !done) return propagate(std::move(done.error()));
  std::string answer;
  while (true) {
    char header[header_size];
    if (auto done = read(header, sizeof header); !done) return propagate(std::move(done.error()));
    ByteReader in(std::string_view(header, sizeof header));
    const auto length = in.get<std::uint32_t>();
    const auto type = static_cast<ipc::ControlFrame>(in.get<std::uint8_t>());
    if (length > frame_max) return fail(ErrorCode::protocol, "control socket: oversized frame");
    answer.resize(length);
    if (auto done = read(answer.data(), length); !done) return propagate(std::move(done.error()));
    if (type == ipc::ControlFrame::done) return ipc::decode_control_done(answer);
    if (auto done = on_frame(type, answer); !done) return propagate(std::move(done.error()));
  }
}

}  // namespace brevdue::cli

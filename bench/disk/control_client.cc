#include "bench/disk/control_client.h"

#include <array>
#include <cerrno>
#include <utility>

#include "bench/disk/socket_path.h"

namespace brevdue::disk {

Result<ControlClient> ControlClient::connect(const std::string& path) {
  auto address = socket_address(path);
  if (!address) return propagate(std::move(address.error()));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_os(errno, "make a socket");
  const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
  if (::connect(fd.get(), generic, sizeof *address) != 0) {
    return fail(ErrorCode::unavailable,
                "no disk answers on " + path + " (" + describe(fail_os(errno, "").error()) + ")");
  }
  return ControlClient(std::move(fd));
}

Result<std::string> ControlClient::request(std::string_view command) {
  if (command.find('\n') != std::string_view::npos) {
    return fail(ErrorCode::invalid_argument, "a command is one line");
  }
  const std::string line = std::string(command) + "\n";
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t put = ::send(fd_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_os(errno, "send to the disk");
    sent += static_cast<std::size_t>(put);
  }
  std::size_t end;
  while ((end = input_.find('\n')) == std::string::npos) {
    std::array<char, 4096> chunk{};
    const ssize_t got = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_os(errno, "hear from the disk");
    if (got == 0) return fail(ErrorCode::unavailable, "the disk hung up");
    input_.append(chunk.data(), static_cast<std::size_t>(got));
  }
  std::string answer = input_.substr(0, end);
  input_.erase(0, end + 1);
  return answer;
}

}  // namespace brevdue::disk

#include "bench/disk/control_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench/disk/control.h"
#include "bench/disk/socket_path.h"

namespace brevdue::disk {

static constexpr std::size_t most_clients = 32;

Result<ControlServer> ControlServer::listen(const std::string& path, Disk& disk) {
  auto address = socket_address(path);
  if (!address) return propagate(std::move(address.error()));
  ControlServer server(path, disk);
  server.listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!server.listener_) return fail_os(errno, "make a control socket");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_os(errno, "remove " + path);
  const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
  if (::bind(server.listener_.get(), generic, sizeof *address) != 0 ||
      ::listen(server.listener_.get(), 16) != 0) {
    return fail_os(errno, "listen on " + path);
  }
  sigset_t set;
  if (::sigemptyset(&set) != 0 || ::sigaddset(&set, SIGINT) != 0 ||
      ::sigaddset(&set, SIGTERM) != 0) {
    return fail_os(errno, "name the signals");
  }
  server.signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!server.signals_) return fail_os(errno, "signalfd");
  server.stopped_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!server.stopped_) return fail_os(errno, "eventfd");
  return server;
}

ControlServer::~ControlServer() {
  // Best effort: the next disk on this path replaces a socket that was left.
  if (listener_) static_cast<void>(::unlink(path_.c_str()));
}

void ControlServer::stop() {
  static_cast<void>(::eventfd_write(stopped_.get(), 1));
}

void ControlServer::accept_client() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  // A client that went away between poll and accept is no error of ours.
  if (fd) clients_.push_back({std::move(fd), {}});
}

bool ControlServer::answer_lines(Client& client, bool& quit) {
  std::string answers;
  std::size_t begin = 0;
  for (std::size_t end; (end = client.input.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const Answer answer = obey(std::string_view(client.input).substr(begin, end - begin), *disk_);
    answers += answer.line + "\n";
    quit = quit || answer.quit;
  }
  client.input.erase(0, begin);
  if (client.input.size() > longest_line) {
    answers += "error the line is too long\n";
  }
  // A client that does not read its answers is dropped rather than waited for.
  const auto sent = ::send(client.fd.get(), answers.data(), answers.size(), MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(answers.size()) && client.input.size() <= longest_line;
}

bool ControlServer::serve(Client& client, bool& quit) {
  std::array<char, 4096> chunk{};
  const ssize_t got = ::recv(client.fd.get(), chunk.data(), chunk.size(), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  client.input.append(chunk.data(), static_cast<std::size_t>(got));
  return answer_lines(client, quit);
}

Result<void> ControlServer::run() {
  for (bool quit = false; !quit;) {
    const short accepting = clients_.size() < most_clients ? POLLIN : 0;
    std::vector<pollfd> waiting{
        {stopped_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {listener_.get(), accepting, 0}};
    for (const Client& client : clients_) waiting.push_back({client.fd.get(), POLLIN, 0});
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return fail_os(errno, "wait for control commands");
    }
    if (waiting[0].revents != 0 || waiting[1].revents != 0) break;
    for (std::size_t i = clients_.size(); i-- > 0;) {
      if (waiting[i + 3].revents == 0 || serve(clients_[i], quit)) continue;
      clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if ((waiting[2].revents & POLLIN) != 0) accept_client();
  }
  return {};
}

}  // namespace brevdue::disk

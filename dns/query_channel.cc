#include "dns/query_channel.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include <ares.h>
#include <arpa/nameser.h>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <sys/time.h>

namespace brevdue::dns {

namespace asio = boost::asio;

// Shared with the handlers of waits that are still to be called when the channel is gone.
class QueryChannel::Shell : public std::enable_shared_from_this<Shell> {
 public:
  explicit Shell(asio::any_io_executor executor) : executor_(executor), timer_(executor) {}
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  ~Shell() { close(); }

  Result<void> open(const ChannelOptions& options);
  void send(const std::string& name, RecordType type, Handler handler);
  void close();

 private:
  struct Socket {
    explicit Socket(const asio::any_io_executor& executor) : descriptor(executor) {}
    asio::posix::stream_descriptor descriptor;
    bool want_read = false;
    bool want_write = false;
    bool reading = false;
    bool writing = false;
    bool gone = false;
  };
  struct Query {
    Shell* shell;
    std::string name;
    RecordType type;
    Handler handler;
  };

  static void on_socket_state(void* shell, ares_socket_t fd, int readable, int writable);
  static void on_answer(void* query, int status, int timeouts, unsigned char* bytes, int length);
  void watch(ares_socket_t fd, bool readable, bool writable);
  void wait(const std::shared_ptr<Socket>& socket, ares_socket_t fd);
  void process(ares_socket_t readable, ares_socket_t writable);
  void arm_timer();
  void submit(std::unique_ptr<Query> query);
  void ended();

  asio::any_io_executor executor_;
  asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets_;
  std::deque<std::unique_ptr<Query>> waiting_;
  std::size_t on_the_wire_ = 0;
  std::size_t questions_max_ = 1;
};

// c-ares reads the port only after brackets in an IPv6 address; a bare one has no port.
static Result<std::string> server_list(const std::vector<std::string>& servers) {
  std::string list;
  for (const std::string& server : servers) {
    boost::system::error_code error;
    std::string host = server;
    std::string port;
    if (server.starts_with('[')) {
      const auto end = server.find(']');
      if (end == std::string::npos) return fail(ErrorCode::invalid_argument, server);
      host = server.substr(1, end - 1);
      port = server.substr(end + 1);
    } else if (const auto colon = server.find(':');
               colon != std::string::npos && server.find(':', colon + 1) == std::string::npos) {
      host = server.substr(0, colon);
      port = server.substr(colon);
    }
    const auto address = asio::ip::make_address(host, error);
    const bool port_fits =
        port.empty() || (port.size() >= 2 && port.size() <= 6 && port[0] == ':' &&
                         port.find_first_not_of("0123456789", 1) == std::string::npos);
    if (error || !port_fits) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("'{}' is no address of a server", server));
    }
    if (!list.empty()) list += ',';
    list += address.is_v6() ? fmt::format("[{}]{}", host, port) : host + port;
  }
  return list;
}

static Error ares_error(int status, std::string_view what) {
  const auto code = status == ARES_ETIMEOUT ? ErrorCode::timed_out
                    : status == ARES_ECANCELLED || status == ARES_EDESTRUCTION
                        ? ErrorCode::cancelled
                    : status == ARES_EBADNAME ? ErrorCode::invalid_argument
                                              : ErrorCode::unavailable;
  return {code, 0, fmt::format("{}: {}", what, ares_strerror(status))};
}

// How many servers resolv.conf names.
static int configured_servers() {
  ares_channel channel = nullptr;
  if (ares_init(&channel) != ARES_SUCCESS) return 0;
  ares_addr_port_node* servers = nullptr;
  int count = 0;
  if (ares_get_servers_ports(channel, &servers) == ARES_SUCCESS) {
    for (const ares_addr_port_node* at = servers; at != nullptr; at = at->next) ++count;
    ares_free_data(servers);
  }
  ares_destroy(channel);
  return count;
}

Result<void> QueryChannel::Shell::open(const ChannelOptions& options) {
  const auto servers = server_list(options.servers);
  if (!servers) return std::unexpected(servers.error());
  questions_max_ = std::max<std::size_t>(options.questions_max, 1);
  ares_options settings{};
  // With more than one server, one that fails or refuses is passed over for the next, and c-ares
  // reports a connection error once all did. With one, its own answer is worth more.
  const auto count =
      options.servers.empty() ? configured_servers() : static_cast<int>(options.servers.size());
  settings.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_EDNS;
  if (count <= 1) settings.flags |= ARES_FLAG_NOCHECKRESP;
  settings.ednspsz = 1232;
  settings.timeout = static_cast<int>(options.timeout.count());
  settings.tries = options.tries;
  std::string lookups = "b";
  settings.lookups = lookups.data();
  settings.sock_state_cb = &Shell::on_socket_state;
  settings.sock_state_cb_data = this;
  const int status =
      ares_init_options(&channel_, &settings,
                        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                            ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ);
  if (status != ARES_SUCCESS) {
    channel_ = nullptr;
    return std::unexpected(ares_error(status, "c-ares"));
  }
  if (servers->empty()) return {};
  const int set = ares_set_servers_ports_csv(channel_, servers->c_str());
  if (set != ARES_SUCCESS) return std::unexpected(ares_error(set, "DNS servers"));
  return {};
}

void QueryChannel::Shell::close() {
  if (channel_ == nullptr) return;
  for (auto& query : std::exchange(waiting_, {})) {
    on_answer(query.release(), ARES_EDESTRUCTION, 0, nullptr, 0);
  }
  // Calls on_answer for what is under way, and on_socket_state for every socket.
  ares_destroy(channel_);
  channel_ = nullptr;
  timer_.cancel();
}

void QueryChannel::Shell::on_socket_state(void* shell, ares_socket_t fd, int readable,
                                          int writable) {
  static_cast<Shell*>(shell)->watch(fd, readable != 0, writable != 0);
}

void QueryChannel::Shell::watch(ares_socket_t fd, bool readable, bool writable) {
  auto at = sockets_.find(fd);
  if (!readable && !writable) {
    if (at == sockets_.end()) return;
    // c-ares closes it right after this.
    at->second->gone = true;
    at->second->descriptor.release();
    sockets_.erase(at);
    return;
  }
  if (at == sockets_.end()) {
    auto socket = std::make_shared<Socket>(executor_);
    boost::system::error_code error;
    socket->descriptor.assign(fd, error);
    // Without the watch the query ends with its timeout.
    if (error) return;
    at = sockets_.emplace(fd, std::move(socket)).first;
  }
  at->second->want_read = readable;
  at->second->want_write = writable;
  wait(at->second, fd);
}

void QueryChannel::Shell::wait(const std::shared_ptr<Socket>& socket, ares_socket_t fd) {
  const auto on_ready = [this, self = weak_from_this(), socket, fd](bool Socket::* waiting,
                                                                    bool write) {
    return [this, self, socket, fd, waiting, write](boost::system::error_code error) {
      const auto alive = self.lock();
      (*socket).*waiting = false;
      if (!alive || socket->gone || error == asio::error::operation_aborted) return;
      process(write ? ARES_SOCKET_BAD : fd, write ? fd : ARES_SOCKET_BAD);
      if (!socket->gone) wait(socket, fd);
    };
  };
  if (socket->want_read && !socket->reading) {
    socket->reading = true;
    socket->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                  on_ready(&Socket::reading, false));
  }
  if (socket->want_write && !socket->writing) {
    socket->writing = true;
    socket->descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                                  on_ready(&Socket::writing, true));
  }
}

void QueryChannel::Shell::process(ares_socket_t readable, ares_socket_t writable) {
  if (channel_ == nullptr) return;
  ares_process_fd(channel_, readable, writable);
  arm_timer();
}

void QueryChannel::Shell::arm_timer() {
  timeval left{};
  if (channel_ == nullptr || ares_timeout(channel_, nullptr, &left) == nullptr) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec) +
                       std::chrono::milliseconds(1));
  timer_.async_wait([this, self = weak_from_this()](boost::system::error_code stopped) {
    const auto alive = self.lock();
    if (alive && !stopped) process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

// The handler is posted: c-ares must not be called again, nor cancelled, from inside its callback.
void QueryChannel::Shell::on_answer(void* argument, int status, int /*timeouts*/,
                                    unsigned char* bytes, int length) {
  const std::unique_ptr<Query> query(static_cast<Query*>(argument));
  std::optional<Error> error;
  std::string raw;
  // c-ares sets a status for answers with a response code as well; the bytes say more.
  if (bytes != nullptr && length > 0) {
    raw.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
  } else {
    error = ares_error(status, "DNS query");
  }
  asio::post(query->shell->executor_,
             [shell = query->shell->weak_from_this(), handler = std::move(query->handler),
              error = std::move(error), raw = std::move(raw)] {
               if (const auto alive = shell.lock()) alive->ended();
               handler(error ? Result<std::string_view>(std::unexpected(*error))
                             : Result<std::string_view>(raw));
             });
}

void QueryChannel::Shell::ended() {
  --on_the_wire_;
  if (channel_ == nullptr || waiting_.empty()) return;
  auto next = std::move(waiting_.front());
  waiting_.pop_front();
  submit(std::move(next));
}

void QueryChannel::Shell::submit(std::unique_ptr<Query> query) {
  ++on_the_wire_;
  const std::string name = query->name;
  const int type = static_cast<int>(query->type);
  ares_query(channel_, name.c_str(), ns_c_in, type, &Shell::on_answer, query.release());
  arm_timer();
}

void QueryChannel::Shell::send(const std::string& name, RecordType type, Handler handler) {
  auto query = std::make_unique<Query>(this, name, type, std::move(handler));
  if (on_the_wire_ < questions_max_) {
    submit(std::move(query));
  } else {
    waiting_.push_back(std::move(query));
  }
}

QueryChannel::QueryChannel(std::shared_ptr<Shell> shell) : shell_(std::move(shell)) {}

QueryChannel::~QueryChannel() {
  shell_->close();
}

Result<std::unique_ptr<QueryChannel>> QueryChannel::open(asio::any_io_executor executor,
                                                         const ChannelOptions& options) {
  auto shell = std::make_shared<Shell>(std::move(executor));
  if (auto opened = shell->open(options); !opened) return propagate(std::move(opened.error()));
  return std::unique_ptr<QueryChannel>(new QueryChannel(std::move(shell)));
}

void QueryChannel::send(const std::string& name, RecordType type, Handler handler) {
  shell_->send(name, type, std::move(handler));
}

}  // namespace brevdue::dns

#include "net/connector.h"

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace brevdue::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {
// Outlives the coroutine: the timer's handler may run after it.
struct Race {
  explicit Race(const asio::any_io_executor& executor) : socket(executor), timer(executor) {}
  tcp::socket socket;
  asio::steady_timer timer;
  bool over = false;
  bool timed_out = false;
};
}  // namespace

asio::awaitable<Result<tcp::socket>> connect(asio::any_io_executor executor, tcp::endpoint to,
                                             std::chrono::milliseconds limit) {
  const auto race = std::make_shared<Race>(executor);
  boost::system::error_code error;
  race->socket.open(to.protocol(), error);
  if (error) co_return fail_os(error.value(), "socket");
  race->timer.expires_after(limit);
  race->timer.async_wait([race](boost::system::error_code stopped) {
    if (stopped || race->over) return;
    race->timed_out = true;
    boost::system::error_code ignored;
    race->socket.close(ignored);
  });
  const auto token = asio::as_tuple(asio::use_awaitable);
  const auto [failure] = co_await race->socket.async_connect(to, token);
  race->over = true;
  race->timer.cancel();
  if (race->timed_out) co_return std::unexpected(Error{ErrorCode::timed_out, ETIMEDOUT, "connect"});
  if (failure == asio::error::operation_aborted) {
    co_return fail(ErrorCode::cancelled, "connect");
  }
  if (failure) co_return fail_os(failure.value(), "connect");
  race->socket.set_option(tcp::no_delay(true), error);
  if (error) co_return fail_os(error.value(), "TCP_NODELAY");
  co_return std::move(race->socket);
}

}  // namespace brevdue::net

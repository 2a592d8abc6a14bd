// Opens outgoing TCP connections, each within a time limit, ready for small writes (TCP_NODELAY).
//
// Loop thread only. A failure carries the errno of connect(2); a limit that passed is timed_out
// with ETIMEDOUT. A cancelled coroutine gets `cancelled`.
#pragma once

#include <chrono>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "core/error.h"

namespace brevdue::net {

boost::asio::awaitable<Result<boost::asio::ip::tcp::socket>> connect(
    boost::asio::any_io_executor executor, boost::asio::ip::tcp::endpoint to,
    std::chrono::milliseconds limit);

}  // namespace brevdue::net

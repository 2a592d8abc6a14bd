// c-ares 1.18 on an Asio loop: sends DNS queries and hands back raw answers.
//
// c-ares owns the sockets; the channel watches them through descriptors that are released, never
// closed, when c-ares lets go of one, and keeps one timer for its timeouts. Loop thread only. An
// answer is handed over exactly once, also when the channel is destroyed (then `cancelled`); never
// from inside send(). resolv.conf is read at construction and never again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "core/error.h"
#include "dns/answer.h"

namespace brevdue::dns {

struct ChannelOptions {
  std::vector<std::string> servers;         // "127.0.0.1:5454", "[::1]:53"; empty: resolv.conf
  std::chrono::milliseconds timeout{2000};  // of the first try; doubles with each
  int tries = 3;                            // per server
  // Questions on the wire at once; more wait here, because a burst overruns UDP buffers.
  std::size_t questions_max = 100;
};

class QueryChannel {
 public:
  // The raw bytes are valid during the call only.
  using Handler = std::function<void(Result<std::string_view>)>;

  // `invalid_argument` for a server that cannot be read.
  static Result<std::unique_ptr<QueryChannel>> open(boost::asio::any_io_executor executor,
                                                    const ChannelOptions& options);
  ~QueryChannel();
  QueryChannel(const QueryChannel&) = delete;
  QueryChannel& operator=(const QueryChannel&) = delete;

  void send(const std::string& name, RecordType type, Handler handler);

 private:
  class Shell;
  explicit QueryChannel(std::shared_ptr<Shell> shell);

  std::shared_ptr<Shell> shell_;
};

}  // namespace brevdue::dns

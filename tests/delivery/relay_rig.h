// A Relay in a loop of its own, with a table in place of the DNS and a log that can be read.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "core/clock.h"
#include "core/log.h"
#include "core/unique_fd.h"
#include "delivery/relay.h"

namespace brevdue::tests {

class TableLookup final : public delivery::ExchangeLookup {
 public:
  boost::asio::awaitable<delivery::Exchanges> exchanges(std::string domain) override;
  boost::asio::awaitable<delivery::Exchanges> addresses(std::string host) override;

  std::map<std::string, delivery::Exchanges> domains;
  std::map<std::string, delivery::Exchanges> hosts;
};

class RelayRig {
 public:
  RelayRig();

  // Makes the Relay of `options`; before the first job.
  void start();
  void submit(delivery::Job job);
  // Runs the loop until the condition holds; false if nothing happens for ten seconds.
  template <class Condition>
  bool run_until(Condition condition) {
    while (!condition()) {
      loop.restart();
      if (loop.run_one_for(std::chrono::seconds(10)) == 0) return false;
    }
    return true;
  }
  // Submits a job and runs until it has ended.
  delivery::Outcome relay(delivery::Job job);
  std::string log_text() const;

  boost::asio::io_context loop{1};
  TableLookup lookup;
  delivery::RelayOptions options;
  std::vector<delivery::Outcome> outcomes;
  std::unique_ptr<delivery::Relay> relay_under_test;

 private:
  SystemClock clock_;
  UniqueFd log_file_;
  Log log_;
};

// A job for `recipients` with small content.
delivery::Job make_job(std::string next_hop, std::vector<std::string> recipients,
                       std::string content = "Subject: x\r\n\r\n.hello\r\n");

}  // namespace brevdue::tests

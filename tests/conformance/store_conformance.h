// The fixture of the conformance suite and the words its tests are written in. Each test gets a
// fresh disk; start() opens a store on it, stop() destroys it, and so on as often as it likes.
#pragma once

#include <future>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/file_system.h"
#include "mail/envelope.h"
#include "queue/store.h"
#include "tests/conformance/store_factory.h"
#include "tests/support/delivery_states.h"

namespace brevdue::tests {

inline void PrintTo(const StoreFactory& factory, std::ostream* out) {
  *out << factory.name;
}
std::string name_of_instance(const testing::TestParamInfo<StoreFactory>& info);

// A message as a test made it.
struct Sample {
  mail::QueueId id;
  SharedBytes envelope;
  SharedBytes content;
  std::uint32_t recipients = 1;

  queue::Enqueue enqueue() const { return {id, envelope, content}; }
};

// Number `number` (ids ascend with it); the bytes depend on number and size alone.
Sample make_sample(std::uint64_t number, std::size_t content_size, std::uint32_t recipients = 1);

mail::Settlement deferral(std::uint32_t sequence, std::uint32_t recipient,
                          mail::RecipientStatus status, std::string reply);
// For a message to five: out of order and repeated; 0 is relayed and must stay so.
std::vector<mail::Settlement> settlements_out_of_order();

// Collects what recover() reports. A message reported twice fails the test.
class CollectingSink : public queue::RecoverySink {
 public:
  void message(queue::RecoveredMessage message) override;
  void quarantined(queue::Quarantined damage) override { damaged.push_back(std::move(damage)); }

  std::map<mail::QueueId, queue::RecoveredMessage> messages;
  std::vector<queue::Quarantined> damaged;
};

std::future<queue::BatchResults> submit(queue::Store& store, queue::Batch batch);
queue::BatchResults commit(queue::Store& store, queue::Batch batch);

class StoreConformance : public testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override { disk_ = GetParam().fresh_disk(); }
  void TearDown() override { store_.reset(); }

  // Destroys the store there is, makes another and starts it.
  queue::Store& start(StoreSetup setup = {});
  void stop() { store_.reset(); }
  std::unique_ptr<queue::Store> release() { return std::move(store_); }
  queue::Store& store() { return *store_; }

  // recover() of the current store; any error or damage fails the test.
  std::map<mail::QueueId, queue::RecoveredMessage> recover();
  std::map<mail::QueueId, queue::RecoveredMessage> reopen() {
    start();
    return recover();
  }

  // Enqueues, expects success, and returns the location.
  queue::Location put(const Sample& sample);
  // Expects that the content can be read, and that it is the sample's.
  void expect_content(const Sample& sample, const queue::Location& location);
  // Expects that it is found with the sample's envelope and in this state.
  void expect_lookup(const Sample& sample, const queue::Location& location,
                     const mail::DeliveryState& state);

 private:
  RealFileSystem files_;
  std::unique_ptr<StoreDisk> disk_;
  std::unique_ptr<queue::Store> store_;
};

}  // namespace brevdue::tests

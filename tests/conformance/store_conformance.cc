#include "tests/conformance/store_conformance.h"

#include <utility>

#include <fmt/format.h>

namespace brevdue::tests {

DirectoryDisk::DirectoryDisk(Make make) : make_(std::move(make)) {
  directories_ = {spool_.path_of("backend"), spool_.path_of("quarantine")};
  RealFileSystem files;
  for (const std::string& path : {directories_.backend, directories_.quarantine}) {
    if (auto made = files.make_directory(AT_FDCWD, path, 0700); !made) {
      throw std::runtime_error(describe(made.error()));
    }
  }
}

std::unique_ptr<queue::Store> DirectoryDisk::make(const StoreSetup& setup) {
  return make_(directories_, setup);
}

std::string name_of_instance(const testing::TestParamInfo<StoreFactory>& info) {
  return info.param.name;
}

Sample make_sample(std::uint64_t number, std::size_t content_size, std::uint32_t recipients) {
  const WallTime epoch(std::chrono::microseconds(1'790'000'000'000'000));
  mail::Envelope envelope;
  envelope.id = mail::QueueId::make(epoch + std::chrono::microseconds(number), 1);
  envelope.arrival = envelope.id.time();
  envelope.reverse_path = fmt::format("sender{}@example.org", number);
  envelope.client_address = "192.0.2.1";
  envelope.client_helo = "client.example.org";
  envelope.content.size = content_size;
  for (std::uint32_t i = 0; i < recipients; ++i) {
    envelope.recipients.push_back({fmt::format("r{}@example.net", i), "", 0});
  }
  std::string content(content_size, '\0');
  std::uint64_t word = number * 0x9e3779b97f4a7c15u + content_size;
  for (char& byte : content) {
    word = word * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(word >> 56);
  }
  return {envelope.id, SharedBytes(mail::encode(envelope)), SharedBytes(content), recipients};
}

mail::Settlement deferral(std::uint32_t sequence, std::uint32_t recipient,
                          mail::RecipientStatus status, std::string reply) {
  mail::Settlement settlement;
  settlement.sequence = sequence;
  settlement.attempts = sequence;
  settlement.next_attempt = WallTime(std::chrono::seconds(1'790'000'000 + 60 * sequence));
  settlement.results.push_back({recipient, status, std::move(reply)});
  return settlement;
}

std::vector<mail::Settlement> settlements_out_of_order() {
  using mail::RecipientStatus;
  return {
      deferral(1, 3, RecipientStatus::deferred, "450 4.2.0 busy"),
      deferral(3, 0, RecipientStatus::relayed, "250 2.0.0 ok"),
      deferral(2, 4, RecipientStatus::failed, "550 5.1.1 an older one: ignored"),
      deferral(4, 0, RecipientStatus::deferred, "451 4.0.0 after it was relayed"),
      deferral(4, 1, RecipientStatus::failed, "550 5.0.0 the same number again: ignored"),
      deferral(5, 3, RecipientStatus::failed, "550 5.1.1 unknown"),
  };
}

void CollectingSink::message(queue::RecoveredMessage message) {
  const mail::QueueId id = message.id;
  const bool is_new = messages.emplace(id, std::move(message)).second;
  EXPECT_TRUE(is_new) << id.text() << " was reported twice";
}

std::future<queue::BatchResults> submit(queue::Store& store, queue::Batch batch) {
  std::promise<queue::BatchResults> promise;
  auto future = promise.get_future();
  store.submit(std::move(batch), [promise = std::move(promise)](auto results) mutable {
    promise.set_value(std::move(results));
  });
  return future;
}

queue::BatchResults commit(queue::Store& store, queue::Batch batch) {
  return submit(store, std::move(batch)).get();
}

queue::Store& StoreConformance::start(StoreSetup setup) {
  store_.reset();
  if (setup.files == nullptr) setup.files = &files_;
  store_ = disk_->make(setup);
  const auto started = store_->start();
  EXPECT_TRUE(started) << describe(started.error());
  return *store_;
}

std::map<mail::QueueId, queue::RecoveredMessage> StoreConformance::recover() {
  CollectingSink sink;
  const auto recovered = store_->recover(sink);
  EXPECT_TRUE(recovered) << describe(recovered.error());
  for (const auto& damage : sink.damaged) ADD_FAILURE() << damage.where << ": " << damage.why;
  return std::move(sink.messages);
}

queue::Location StoreConformance::put(const Sample& sample) {
  auto results = commit(*store_, {sample.enqueue()});
  EXPECT_EQ(results.size(), 1u);
  if (results.empty() || !results[0]) {
    ADD_FAILURE() << (results.empty() ? "no result" : describe(results[0].error()));
    return {};
  }
  return *results[0];
}

void StoreConformance::expect_content(const Sample& sample, const queue::Location& location) {
  const auto content = store_->open(sample.id, location);
  ASSERT_TRUE(content) << sample.id.text() << ": " << describe(content.error());
  EXPECT_TRUE(content->view() == sample.content.view())
      << sample.id.text() << ": " << content->size() << " bytes, expected "
      << sample.content.size();
}

void StoreConformance::expect_lookup(const Sample& sample, const queue::Location& location,
                                     const mail::DeliveryState& state) {
  const auto found = store_->look_up(sample.id, location);
  ASSERT_TRUE(found) << sample.id.text() << ": " << describe(found.error());
  EXPECT_TRUE(found->envelope.view() == sample.envelope.view()) << sample.id.text();
  EXPECT_EQ(found->state, state) << sample.id.text() << ": settlement " << found->state.sequence
                                 << ", expected " << state.sequence;
}

}  // namespace brevdue::tests

// A maildir store on a temporary directory, and what the tests of this folder do with it.
#pragma once

#include <future>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "backends/maildir/maildir_store.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::backends {

struct TestMessage {
  mail::QueueId id;
  SharedBytes envelope;
  SharedBytes content;
};

inline TestMessage test_message(std::uint64_t number, std::size_t size) {
  mail::Envelope envelope;
  envelope.id =
      mail::QueueId::make(WallTime(std::chrono::microseconds(1'790'000'000'000'000 + number)), 1);
  envelope.recipients.push_back({"r@example.net", "", 0});
  envelope.content.size = size;
  std::string content;
  for (std::size_t i = 0; i < size; ++i) content += static_cast<char>('a' + (i * 7 + number) % 26);
  return {envelope.id, SharedBytes(mail::encode(envelope)), SharedBytes(content)};
}

struct Found final : queue::RecoverySink {
  void message(queue::RecoveredMessage message) override {
    const mail::QueueId id = message.id;
    EXPECT_TRUE(messages.emplace(id, std::move(message)).second);
  }
  void quarantined(queue::Quarantined damage) override { damaged.push_back(std::move(damage)); }
  std::map<mail::QueueId, queue::RecoveredMessage> messages;
  std::vector<queue::Quarantined> damaged;
};

class TestSpool {
 public:
  TestSpool() {
    RealFileSystem files;
    EXPECT_TRUE(files.make_directory(AT_FDCWD, quarantine(), 0700));
  }
  std::string path() const { return directory_.path_of("maildir"); }
  std::string quarantine() const { return directory_.path_of("quarantine"); }
  MaildirStoreOptions options() const {
    MaildirStoreOptions options;
    options.path = path();
    options.quarantine = quarantine();
    return options;
  }

 private:
  tests::TemporaryDirectory directory_;
};

inline queue::BatchResults commit(queue::Store& store, queue::Batch batch) {
  std::promise<queue::BatchResults> promise;
  store.submit(std::move(batch),
               [&](queue::BatchResults results) { promise.set_value(std::move(results)); });
  return promise.get_future().get();
}

}  // namespace brevdue::backends

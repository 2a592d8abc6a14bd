#include "backends/iouring/log_store.h"

#include <filesystem>
#include <future>
#include <latch>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/file_system.h"
#include "tests/iouring/log_model.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

namespace {
backends::LogStoreOptions on_files(const TemporaryDirectory& spool) {
  backends::LogStoreOptions options;
  options.path = spool.path_of("iouring");
  options.quarantine = spool.path_of("quarantine");
  options.segment_size = 256 * 1024;
  return options;
}

Result<queue::Location> send(queue::Store& store, std::uint64_t number, std::size_t size) {
  const mail::QueueId id(number);
  return commit(store, {queue::Enqueue{id, envelope_of(id), content_of(id, size)}})[0];
}

std::map<std::string, std::string> all_files(const std::string& path) {
  RealFileSystem files;
  std::map<std::string, std::string> found;
  for (const std::string& name : *files.list(AT_FDCWD, path)) {
    found[name] = *read_file(files, AT_FDCWD, path + "/" + name, 1 << 20);
  }
  return found;
}
}  // namespace

TEST(LogStore, OnFilesByEitherKindOfCall) {
  for (const bool ordinary : {false, true}) {
    const TemporaryDirectory spool;
    auto options = on_files(spool);
    options.force_ordinary_calls = ordinary;
    std::vector<std::string> notices;
    options.notice = [&](std::string text) { notices.push_back(std::move(text)); };
    LogModel model(1, {.content_max = 40'000, .in_flight_max = 6});
    for (int life = 0; life < 3; ++life) {
      notices.clear();
      backends::LogStore store(options);
      ASSERT_TRUE(store.start());
      if (ordinary) {
        EXPECT_NE(fmt::format("{}", fmt::join(notices, "\n")).find("pwritev2"), std::string::npos);
      }
      Recovered recovered;
      ASSERT_TRUE(store.recover(recovered));
      ASSERT_EQ(model.check(store, recovered), "");
      for (int i = 0; i < 60; ++i) ASSERT_TRUE(model.step(store));
      EXPECT_GT(store.room(), 0u);
    }
  }
}

TEST(LogStore, OptionsOutOfRangeAreRefused) {
  const TemporaryDirectory spool;
  for (const std::uint32_t size : {0u, 4096u, (64u << 10) + 1, (1u << 30) + 4096}) {
    auto options = on_files(spool);
    options.segment_size = size;
    backends::LogStore store(options);
    const auto started = store.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, ErrorCode::invalid_argument);
  }
}

TEST(LogStore, ReadOnlyChangesNothing) {
  const TemporaryDirectory spool;
  auto options = on_files(spool);
  {
    backends::LogStore store(options);
    ASSERT_TRUE(store.start());
    for (std::uint64_t number = 1; number <= 20; ++number) ASSERT_TRUE(send(store, number, 3000));
  }
  spool.write("iouring/segment-99999999.new", "unfinished");
  const auto before = all_files(options.path);
  options.read_only = true;
  backends::LogStore store(options);
  ASSERT_TRUE(store.start());
  Recovered recovered;
  ASSERT_TRUE(store.recover(recovered));
  EXPECT_EQ(recovered.messages.size(), 20u);
  const mail::QueueId id(3);
  const auto content = store.open(id, recovered.messages.at(id).location);
  ASSERT_TRUE(content);
  EXPECT_EQ(content->view(), content_of(id, 3000).view());
  const auto refused = send(store, 21, 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  EXPECT_EQ(all_files(options.path), before);
}

TEST(LogStore, ReadOnlyNeedsALog) {
  const TemporaryDirectory spool;
  auto options = on_files(spool);
  options.read_only = true;
  backends::LogStore store(options);
  const auto started = store.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::not_found);
}

TEST(LogStore, UnfinishedSegmentsAreRemovedAtStart) {
  const TemporaryDirectory spool;
  auto options = on_files(spool);
  {
    backends::LogStore store(options);
    ASSERT_TRUE(store.start());
  }
  spool.write("iouring/segment-00000077.new", "unfinished");
  backends::LogStore store(options);
  ASSERT_TRUE(store.start());
  EXPECT_FALSE(spool.contains("iouring/segment-00000077.new"));
}

TEST(LogStore, ABatchLargerThanASegmentIsWrittenInPieces) {
  const TemporaryDirectory spool;
  std::map<mail::QueueId, queue::Location> locations;
  backends::LogStore store(on_files(spool));
  ASSERT_TRUE(store.start());
  const auto first = send(store, 1, 10);
  ASSERT_TRUE(first);
  queue::Batch batch;
  batch.push_back(queue::Discard{mail::QueueId(1), *first});
  for (std::uint64_t number = 2; number <= 60; ++number) {
    const mail::QueueId id(number);
    batch.push_back(queue::Enqueue{id, envelope_of(id), content_of(id, 30'000)});
  }
  const auto results = commit(store, batch);
  ASSERT_EQ(results.size(), 60u);
  for (std::size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(results[i]) << describe(results[i].error());
    if (i == 0) continue;
    const mail::QueueId id(i + 1);
    const auto content = store.open(id, *results[i]);
    ASSERT_TRUE(content);
    EXPECT_EQ(content->view(), content_of(id, 30'000).view());
  }
  const auto too_large = send(store, 100, 256 * 1024);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, ErrorCode::too_large);
}

TEST(LogStore, TheReserveOfTheFileSystemIsNotTouched) {
  const TemporaryDirectory spool;
  auto options = on_files(spool);
  queue::Location location;
  {
    backends::LogStore store(options);
    ASSERT_TRUE(store.start());
    location = *send(store, 1, 100);
  }
  options.reserve = UINT64_MAX;
  backends::LogStore store(options);
  ASSERT_TRUE(store.start());
  Recovered recovered;
  ASSERT_TRUE(store.recover(recovered));
  EXPECT_EQ(store.room(), 0u);
  const auto refused = send(store, 2, 100);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_full);
  const mail::QueueId id(1);
  location = recovered.messages.at(id).location;
  EXPECT_TRUE(commit(store, {queue::Discard{id, location}})[0]);
}

// Mail comes and goes while recovery reads, in a log of many segments.
TEST(LogStore, MailIsTakenDuringRecovery) {
  const TemporaryDirectory spool;
  const auto options = on_files(spool);
  {
    backends::LogStore store(options);
    ASSERT_TRUE(store.start());
    for (std::uint64_t number = 1; number <= 200; ++number) ASSERT_TRUE(send(store, number, 9000));
  }
  struct Discarding : Recovered {
    explicit Discarding(queue::Store& of) : store(of) {}
    void message(queue::RecoveredMessage found) override {
      const mail::QueueId id = found.id;
      const auto location = found.location;
      Recovered::message(std::move(found));
      // Every second one is delivered at once.
      if (id.value() % 2 == 0) {
        EXPECT_TRUE(commit(store, {queue::Discard{id, location}})[0]);
      }
    }
    queue::Store& store;
  };
  std::size_t enqueued = 0;
  {
    backends::LogStore store(options);
    ASSERT_TRUE(store.start());
    Discarding recovered(store);
    auto done = std::async(std::launch::async, [&] { return store.recover(recovered); });
    do {
      ASSERT_TRUE(send(store, 1000 + enqueued, 5000));
      ++enqueued;
    } while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready);
    ASSERT_TRUE(done.get());
    EXPECT_EQ(recovered.messages.size(), 200u);
    EXPECT_EQ(recovered.twice, 0u);
  }
  backends::LogStore store(options);
  ASSERT_TRUE(store.start());
  Recovered recovered;
  ASSERT_TRUE(store.recover(recovered));
  EXPECT_EQ(recovered.messages.size(), 100 + enqueued);
}

TEST(LogStore, TheDestructorEndsRecoveryAndAnswersEverything) {
  const TemporaryDirectory spool;
  const auto options = on_files(spool);
  {
    backends::LogStore store(options);
    ASSERT_TRUE(store.start());
    for (std::uint64_t number = 1; number <= 100; ++number) ASSERT_TRUE(send(store, number, 9000));
  }
  struct Waiting : Recovered {
    void message(queue::RecoveredMessage found) override {
      Recovered::message(std::move(found));
      if (messages.size() == 1) {
        begun.count_down();
        go_on.wait();
      }
    }
    std::latch begun{1};
    std::latch go_on{1};
  };
  auto store = std::make_unique<backends::LogStore>(options);
  ASSERT_TRUE(store->start());
  Waiting recovered;
  auto recovery = std::async(std::launch::async, [&] { return store->recover(recovered); });
  recovered.begun.wait();
  std::promise<queue::BatchResults> answered;
  const mail::QueueId id(500);
  store->submit({queue::Enqueue{id, envelope_of(id), content_of(id, 10)}},
                [&](queue::BatchResults results) { answered.set_value(std::move(results)); });
  auto destroyed = std::async(std::launch::async, [&] { store.reset(); });
  recovered.go_on.count_down();
  const auto done = recovery.get();
  EXPECT_TRUE(done || done.error().code == ErrorCode::cancelled);
  destroyed.get();
  auto results = answered.get_future();
  ASSERT_EQ(results.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_TRUE(results.get()[0]);
}

// Where reads are direct, one that goes on behind the last whole block of such a file is refused.
TEST(LogStore, ASegmentCutInTheMiddleOfABlockIsRead) {
  const TemporaryDirectory spool;
  const auto options = on_files(spool);
  RealFileSystem files;
  ASSERT_TRUE(files.make_directory(AT_FDCWD, options.quarantine, 0700));
  {
    backends::LogStore store(options);
    ASSERT_TRUE(store.start());
    for (std::uint64_t number = 1; number <= 8; ++number) ASSERT_TRUE(send(store, number, 9000));
  }
  const std::string segment = spool.path_of("iouring/segment-00000001");
  std::filesystem::resize_file(segment, 8192 + 3 * 12'288 + 5000);
  backends::LogStore store(options);
  Recovered recovered;
  ASSERT_TRUE(store.start());
  const auto done = store.recover(recovered);
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(recovered.messages.size(), 3u);
  EXPECT_FALSE(recovered.damage.empty());
  for (const auto& [id, message] : recovered.messages) {
    EXPECT_TRUE(store.open(id, message.location));
  }
  EXPECT_TRUE(send(store, 9, 100));
}

TEST(LogStore, WhatIsDamagedLiesInTheQuarantine) {
  const TemporaryDirectory spool;
  const auto options = on_files(spool);
  RealFileSystem files;
  ASSERT_TRUE(files.make_directory(AT_FDCWD, options.quarantine, 0700));
  {
    backends::LogStore store(options);
    ASSERT_TRUE(store.start());
    for (std::uint64_t number = 1; number <= 5; ++number) ASSERT_TRUE(send(store, number, 9000));
  }
  auto bytes = spool.read("iouring/segment-00000001");
  bytes[8192 + 600] = static_cast<char>(bytes[8192 + 600] ^ 1);
  spool.write("iouring/segment-00000001", bytes);
  backends::LogStore store(options);
  ASSERT_TRUE(store.start());
  Recovered recovered;
  ASSERT_TRUE(store.recover(recovered));
  EXPECT_EQ(recovered.messages.size(), 4u);
  ASSERT_EQ(recovered.damage.size(), 1u);
  EXPECT_EQ(recovered.damage[0].where, options.quarantine + "/segment-00000001.1.8192");
  EXPECT_GT(spool.read("quarantine/segment-00000001.1.8192").size(), 9000u);
}

}  // namespace brevdue::tests

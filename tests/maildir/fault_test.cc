// Every file system call in turn fails, with each errno: no result says durable that is not,
// nothing crashes, and a new store on the same directory has all that was acknowledged.
#include <algorithm>
#include <cerrno>

#include <sys/resource.h>

#include "tests/maildir/spool.h"
#include "tests/support/faulty_file_system.h"

namespace brevdue::backends {

using tests::Call;
using tests::FaultyFileSystem;
using tests::Lasting;

namespace {
struct Told {
  std::map<mail::QueueId, TestMessage> durable;
  std::size_t refused = 0;
};

// Some batches of every kind of mutation; stops caring after the first refusal of a discard.
Told run(MaildirStore& store) {
  Told told;
  std::map<mail::QueueId, queue::Location> locations;
  std::uint64_t number = 0;
  for (int round = 0; round < 4; ++round) {
    queue::Batch batch;
    std::vector<TestMessage> added;
    for (int i = 0; i < 1 + round % 3; ++i) {
      added.push_back(test_message(++number, 200 * static_cast<std::size_t>(round + 1)));
      batch.push_back(queue::Enqueue{added.back().id, added.back().envelope, added.back().content});
    }
    mail::QueueId settled;
    mail::QueueId discarded;
    if (locations.size() >= 2) {
      mail::Settlement settlement;
      settlement.sequence = settlement.attempts = static_cast<std::uint32_t>(round);
      settled = locations.begin()->first;
      discarded = locations.rbegin()->first;
      batch.push_back(queue::Settle{settled, locations.at(settled), settlement});
      batch.push_back(queue::Discard{discarded, locations.at(discarded)});
    }
    const auto results = commit(store, std::move(batch));
    for (std::size_t i = 0; i < added.size(); ++i) {
      if (results[i]) {
        told.durable[added[i].id] = added[i];
        locations[added[i].id] = *results[i];
      } else {
        ++told.refused;
      }
    }
    if (results.size() > added.size()) {
      // Answered or not, it may be gone.
      told.durable.erase(discarded);
      locations.erase(discarded);
      if (!results.back()) ++told.refused;
    }
  }
  return told;
}
}  // namespace

TEST(MaildirFaults, EachCallFailingInTurn) {
  RealFileSystem real;
  std::size_t points = 0;
  for (const Call call : {Call::open, Call::write, Call::sync, Call::sync_file_system, Call::unlink,
                          Call::status, Call::free_space}) {
    for (const int os_error : {EIO, ENOSPC, EDQUOT, EROFS, EMFILE, ENOMEM, EACCES}) {
      for (const Lasting lasting : {Lasting::once, Lasting::always}) {
        for (std::uint64_t nth = 1; nth <= 40; ++nth) {
          TestSpool spool;
          FaultyFileSystem files(real);
          Told told;
          {
            MaildirStore store(spool.options(), files);
            ASSERT_TRUE(store.start());
            const std::uint64_t before = files.count(call);
            files.fail(call, nth, os_error, lasting);
            told = run(store);
            ++points;
            if (files.count(call) - before < nth) nth = 40;
          }
          Found found;
          MaildirStore again(spool.options());
          ASSERT_TRUE(again.start());
          ASSERT_TRUE(again.recover(found));
          for (const auto& [id, message] : told.durable) {
            ASSERT_TRUE(found.messages.contains(id))
                << tests::name_of(call) << " " << nth << " errno " << os_error << " lost "
                << id.text();
            const auto content = again.open(id, found.messages.at(id).location);
            ASSERT_TRUE(content && content->view() == message.content.view());
          }
        }
      }
    }
  }
  RecordProperty("points", static_cast<int>(points));
  EXPECT_GT(points, 300u);
}

TEST(MaildirFaults, ASettlementWithoutADescriptorIsRefusedAlone) {
  RealFileSystem real;
  FaultyFileSystem files(real);
  TestSpool spool;
  MaildirStore store(spool.options(), files);
  ASSERT_TRUE(store.start());
  const TestMessage message = test_message(1, 100);
  const auto first = commit(store, {queue::Enqueue{message.id, message.envelope, message.content}});
  ASSERT_TRUE(first[0]);
  files.fail(Call::open, 1, EMFILE);
  mail::Settlement settlement;
  settlement.sequence = settlement.attempts = 1;
  const auto refused = commit(store, {queue::Settle{message.id, *first[0], settlement}});
  ASSERT_FALSE(refused[0]);
  EXPECT_EQ(refused[0].error().code, ErrorCode::overloaded);
  EXPECT_TRUE(commit(store, {queue::Settle{message.id, *first[0], settlement}})[0]);
}

// A failed write whose clean-up fails for want of room is a failed write all the same.
TEST(MaildirFaults, AnUnfinishedFileThatStaysEndsTheStore) {
  RealFileSystem real;
  FaultyFileSystem files(real);
  TestSpool spool;
  MaildirStore store(spool.options(), files);
  ASSERT_TRUE(store.start());
  files.fail(Call::write, 1, EIO);
  files.fail(Call::unlink, 1, ENOSPC);
  const TestMessage message = test_message(1, 100);
  const auto failed =
      commit(store, {queue::Enqueue{message.id, message.envelope, message.content}});
  ASSERT_FALSE(failed[0]);
  EXPECT_EQ(failed[0].error().code, ErrorCode::io_failure);
  const TestMessage next = test_message(2, 100);
  const auto later = commit(store, {queue::Enqueue{next.id, next.envelope, next.content}});
  ASSERT_FALSE(later[0]);
  EXPECT_EQ(later[0].error().code, ErrorCode::unavailable);
}

// A batch may hold more messages than a process may have open files.
TEST(MaildirFaults, ABatchNeedsFewDescriptors) {
  for (const MaildirSync sync : {MaildirSync::automatic, MaildirSync::fsync, MaildirSync::syncfs}) {
    TestSpool spool;
    auto options = spool.options();
    options.sync = sync;
    MaildirStore store(options);
    ASSERT_TRUE(store.start());
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit low = before;
    low.rlim_cur = 128;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    queue::Batch batch;
    for (std::uint64_t i = 0; i < 500; ++i) {
      const TestMessage message = test_message(i, 10);
      batch.push_back(queue::Enqueue{message.id, message.envelope, message.content});
    }
    const auto results = commit(store, std::move(batch));
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    for (const auto& result : results) ASSERT_TRUE(result) << describe(result.error());
  }
}

TEST(MaildirFaults, ShortWritesAreWrittenToTheEnd) {
  RealFileSystem real;
  FaultyFileSystem files(real);
  TestSpool spool;
  files.shorten_writes(17);
  MaildirStore store(spool.options(), files);
  ASSERT_TRUE(store.start());
  const TestMessage message = test_message(1, 1000);
  const auto results =
      commit(store, {queue::Enqueue{message.id, message.envelope, message.content}});
  ASSERT_TRUE(results[0]);
  const auto content = store.open(message.id, *results[0]);
  ASSERT_TRUE(content && content->view() == message.content.view());
}

// A DSN must be on the disk before the message it answers leaves it.
static void expect_added_before_unlinked(FileSystemKind kind) {
  RealFileSystem real;
  FaultyFileSystem files(real);
  files.pretend_kind(kind);
  TestSpool spool;
  MaildirStore store(spool.options(), files);
  ASSERT_TRUE(store.start());
  const TestMessage old = test_message(1, 100);
  const auto first = commit(store, {queue::Enqueue{old.id, old.envelope, old.content}});
  files.forget_calls();
  const TestMessage notice = test_message(2, 100);
  const auto results = commit(store, {queue::Discard{old.id, *first[0]},
                                      queue::Enqueue{notice.id, notice.envelope, notice.content}});
  ASSERT_TRUE(results[0] && results[1]);
  const auto calls = files.calls();
  const auto position = [&](const std::string& prefix) {
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if (calls[i].starts_with(prefix)) return i;
    }
    return calls.size();
  };
  EXPECT_LT(position("write " + notice.id.text()), position("sync " + notice.id.text()));
  EXPECT_LT(position("sync " + notice.id.text()), position("unlink " + old.id.text()));
  if (kind == FileSystemKind::other) {
    EXPECT_LT(position("sync " + spool.path()), position("unlink " + old.id.text()));
  }
  ASSERT_FALSE(calls.empty());
  // And the unlink itself is durable before it is reported.
  std::size_t last_sync = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].starts_with("sync")) last_sync = i;
  }
  EXPECT_LT(position("unlink " + old.id.text()), last_sync);
}

TEST(MaildirFaults, WhatABatchAddsIsSyncedBeforeAnythingIsUnlinked) {
  for (const auto kind : {FileSystemKind::ext4, FileSystemKind::other}) {
    SCOPED_TRACE(name_of(kind));
    expect_added_before_unlinked(kind);
  }
}

// Nor may a failure be noted whose DSN a cut could still take away.
TEST(MaildirFaults, WhatABatchAddsIsSyncedBeforeAFailureIsNoted) {
  for (const MaildirSync sync : {MaildirSync::automatic, MaildirSync::fsync, MaildirSync::syncfs}) {
    RealFileSystem real;
    FaultyFileSystem files(real);
    TestSpool spool;
    auto options = spool.options();
    options.sync = sync;
    MaildirStore store(options, files);
    ASSERT_TRUE(store.start());
    const TestMessage old = test_message(1, 100);
    const auto first = commit(store, {queue::Enqueue{old.id, old.envelope, old.content}});
    files.forget_calls();
    const TestMessage notice = test_message(2, 100);
    mail::Settlement settlement;
    settlement.sequence = settlement.attempts = 1;
    settlement.results.push_back({0, mail::RecipientStatus::failed, "550 no"});
    const auto results =
        commit(store, {queue::Settle{old.id, *first[0], settlement},
                       queue::Enqueue{notice.id, notice.envelope, notice.content}});
    ASSERT_TRUE(results[0] && results[1]);
    const auto calls = files.calls();
    const auto added = std::ranges::find_if(calls, [&](const std::string& call) {
      return call.starts_with("write " + notice.id.text());
    });
    const auto is_sync = [](const std::string& call) { return call.starts_with("sync"); };
    const auto synced = std::find_if(added, calls.end(), is_sync);
    const auto noted = std::ranges::find_if(
        calls, [&](const std::string& call) { return call.starts_with("write " + old.id.text()); });
    ASSERT_NE(noted, calls.end());
    EXPECT_LT(added, synced);
    EXPECT_LT(synced, noted);
    EXPECT_NE(std::find_if(noted, calls.end(), is_sync), calls.end());
  }
}

}  // namespace brevdue::backends

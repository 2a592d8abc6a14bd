// smtpd and qmgr over their channel, both of them real.
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/daemon/submission_rig.h"

namespace brevdue::tests {
namespace {

using testing::SizeIs;
using namespace std::chrono_literals;

constexpr std::size_t chunk = smtp::staged_chunk_bytes;

class Submission : public testing::Test {
 protected:
  // Sends `content` in chunks, each once the last one's credit allows, and finishes.
  Result<void> stage(const std::string& content, mail::Envelope envelope) {
    rig.link.begin_staging(envelope.id, 0);
    for (std::size_t at = 0; at < content.size(); at += chunk) {
      SubmissionRig::Answer more;
      rig.link.append(envelope.id, SharedBytes(std::string_view(content).substr(at, chunk)),
                      [&](Result<void> result) { more = std::move(result); });
      if (!rig.until([&] { return more.has_value(); })) throw std::runtime_error("no credit");
      if (!*more) return *more;
    }
    return finish(std::move(envelope));
  }
  Result<void> finish(mail::Envelope envelope) {
    SubmissionRig::Answer answer;
    rig.link.finish(std::move(envelope), [&](Result<void> result) { answer = std::move(result); });
    if (!rig.until([&] { return answer.has_value(); })) throw std::runtime_error("no answer");
    return *answer;
  }
  bool staged_is_empty() {
    auto names = rig.files.list(AT_FDCWD, rig.staged.path());
    return names && names->empty();
  }

  SubmissionRig rig;
  const std::string small = "Received: x\r\n\r\nHello.\r\n";
  const std::string large = std::string(900'000, 'x') + "\r\n";
};

TEST_F(Submission, NothingBeforeTheHello) {
  EXPECT_EQ(rig.link.availability(0).error().code, ErrorCode::unavailable);
  rig.attach();
  EXPECT_TRUE(rig.link.availability(0));
  const mail::QueueId id = rig.link.next_id();
  EXPECT_EQ(id.slot(), SubmissionRig::slot);
  EXPECT_GE(id.time(), rig.clock.wall());
}

TEST_F(Submission, WhatIsAnsweredIsOnTheDisk) {
  rig.attach();
  std::vector<SubmissionRig::Answer> answers(50);
  for (SubmissionRig::Answer& answer : answers) {
    rig.link.submit(SubmissionRig::envelope(rig.link.next_id(), small, false), SharedBytes(small),
                    [&](Result<void> result) {
                      const std::lock_guard lock(rig.disk.mutex);
                      EXPECT_GE(rig.disk.messages.size(), 50u);
                      answer = std::move(result);
                    });
  }
  ASSERT_TRUE(rig.until([&] {
    return std::ranges::all_of(answers, [](const auto& one) { return one.has_value(); });
  }));
  for (const SubmissionRig::Answer& answer : answers) EXPECT_TRUE(*answer);
  EXPECT_THAT(rig.tap.batches, SizeIs(1));
  EXPECT_TRUE(rig.link.idle());
}

TEST_F(Submission, LargeContentIsStagedAgainstCredit) {
  rig.attach();
  const mail::QueueId id = rig.link.next_id();
  ASSERT_TRUE(stage(large, SubmissionRig::envelope(id, large, true)));
  EXPECT_TRUE(rig.queue->contains(id));
  EXPECT_EQ(rig.staged.read(id.text()), large);
}

TEST_F(Submission, AnAbortLeavesNothing) {
  rig.attach();
  const mail::QueueId id = rig.link.next_id();
  rig.link.begin_staging(id, 0);
  SubmissionRig::Answer more;
  rig.link.append(id, SharedBytes(std::string_view(large).substr(0, chunk)),
                  [&](Result<void> result) { more = std::move(result); });
  ASSERT_TRUE(rig.until([&] { return more.has_value(); }));
  rig.link.abort(id);
  EXPECT_TRUE(rig.link.idle());
  // Another one over the same channel goes through; by then the abort was heard.
  ASSERT_TRUE(rig.submit(small));
  EXPECT_TRUE(staged_is_empty());
}

TEST_F(Submission, StagedContentThatIsNotWhatTheEnvelopeSaysIsRefused) {
  rig.attach();
  const mail::QueueId id = rig.link.next_id();
  mail::Envelope envelope = SubmissionRig::envelope(id, large, true);
  envelope.content.crc32c ^= 1;
  const auto result = stage(large, envelope);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::corrupt);
  EXPECT_FALSE(rig.queue->contains(id));
  EXPECT_TRUE(staged_is_empty());
  EXPECT_TRUE(rig.submit(small));
}

TEST_F(Submission, AFullDiskIsSaidBeforeAndAfter) {
  rig.attach();
  {
    const std::lock_guard lock(rig.disk.mutex);
    rig.disk.room = 10;
  }
  const auto result = rig.submit(small);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::storage_full);
  rig.server->announce_state();
  ASSERT_TRUE(rig.until([&] { return !rig.link.availability(0); }));
  EXPECT_EQ(rig.link.availability(0).error().code, ErrorCode::storage_full);
  {
    const std::lock_guard lock(rig.disk.mutex);
    rig.disk.room = UINT64_MAX;
  }
  rig.server->announce_state();
  ASSERT_TRUE(rig.until([&] { return rig.link.availability(0).has_value(); }));
  EXPECT_TRUE(rig.submit(small));
}

TEST_F(Submission, WhatCannotBeStagedIsSaidBefore) {
  rig.attach();
  EXPECT_TRUE(rig.link.availability(1u << 20));
  rig.queue->staging().keep_free(std::uint64_t{1} << 60);
  rig.server->announce_state();
  ASSERT_TRUE(rig.until([&] { return !rig.link.availability(1u << 20); }));
  EXPECT_EQ(rig.link.availability(1u << 20).error().code, ErrorCode::storage_full);
  // Small content goes into the store, which has room.
  EXPECT_TRUE(rig.link.availability(1000));
  EXPECT_TRUE(rig.submit(small));
}

TEST_F(Submission, ContentThatCannotBeStagedIsHeardToItsEndAndThenRefused) {
  rig.attach();
  rig.queue->staging().keep_free(std::uint64_t{1} << 60);
  const auto refused = stage(large, SubmissionRig::envelope(rig.link.next_id(), large, true));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_full);
  EXPECT_TRUE(staged_is_empty());
  rig.queue->staging().keep_free(0);
  EXPECT_TRUE(stage(large, SubmissionRig::envelope(rig.link.next_id(), large, true)));
}

TEST_F(Submission, AFailedStoreIsSaidUntilItIsBack) {
  rig.attach();
  rig.tap.broken = true;
  const auto result = rig.submit(small);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::io_failure);
  ASSERT_TRUE(rig.until([&] { return !rig.link.availability(0); }));
  EXPECT_EQ(rig.link.availability(0).error().code, ErrorCode::unavailable);
  rig.tap.broken = false;
  ASSERT_TRUE(rig.until([&] { return rig.link.availability(0).has_value(); }));
  EXPECT_TRUE(rig.submit(small));
}

TEST_F(Submission, AFailedStoreLeavesNoStagedFile) {
  rig.attach();
  const mail::QueueId id = rig.link.next_id();
  rig.tap.broken = true;
  EXPECT_FALSE(stage(large, SubmissionRig::envelope(id, large, true)));
  rig.tap.broken = false;
  ASSERT_TRUE(rig.until([&] { return rig.link.availability(0).has_value(); }));
  ASSERT_TRUE(rig.until([&] { return staged_is_empty(); }));
}

TEST_F(Submission, ABrokenChannelAnswersWhatIsOpen) {
  rig.attach();
  bool lost = false;
  rig.link.when_lost([&] { lost = true; });
  SubmissionRig::Answer small_answer;
  SubmissionRig::Answer more;
  SubmissionRig::Answer large_answer;
  const mail::QueueId id = rig.link.next_id();
  rig.link.submit(SubmissionRig::envelope(id, small, false), SharedBytes(small),
                  [&](Result<void> result) { small_answer = std::move(result); });
  const mail::QueueId open = rig.link.next_id();
  rig.link.begin_staging(open, 0);
  rig.link.append(open, SharedBytes(std::string_view(large).substr(0, chunk)),
                  [&](Result<void> result) { more = std::move(result); });
  rig.server.reset();
  ASSERT_TRUE(rig.until([&] { return lost; }));
  ASSERT_TRUE(small_answer && more);
  EXPECT_EQ(small_answer->error().code, ErrorCode::unavailable);
  EXPECT_EQ(more->error().code, ErrorCode::unavailable);
  EXPECT_TRUE(rig.link.idle());
  EXPECT_EQ(finish(SubmissionRig::envelope(open, large, true)).error().code,
            ErrorCode::unavailable);
  EXPECT_EQ(rig.link.availability(0).error().code, ErrorCode::unavailable);
  // The next qmgr: ids go on, and none is made twice.
  rig.serve();
  rig.attach();
  EXPECT_GT(rig.link.next_id(), open);
  EXPECT_TRUE(rig.submit(small));
}

TEST_F(Submission, AClockSetBackRepeatsNoId) {
  rig.attach();
  const mail::QueueId before = rig.link.next_id();
  ASSERT_TRUE(rig.submit(small));
  rig.clock.move_to(rig.clock.elapsed() - 30min);
  const mail::QueueId after = rig.link.next_id();
  EXPECT_GT(after, before);
  EXPECT_TRUE(rig.submit(small));
  rig.serve();
  rig.attach();
  EXPECT_GT(rig.link.next_id(), after);
  EXPECT_TRUE(rig.submit(small));
}

// The mark on the disk must lie above an id before it is committed: the message waits for it.
TEST_F(Submission, AClockSetForwardCostsNothing) {
  rig.attach();
  rig.clock.move_to(rig.clock.elapsed() + std::chrono::hours(24 * 365));
  EXPECT_TRUE(rig.submit(small));
  EXPECT_THAT(rig.queue->size(), 1u);
}

// Large content may keep staging busy for minutes.
TEST_F(Submission, TheMarkIsMovedWhileStagingIsBusy) {
  rig.attach();
  std::promise<void> let_go;
  rig.queue->staging().run(
      [held = let_go.get_future().share()] {
        held.wait();
        return Result<void>();
      },
      [](const Result<void>&) {});
  rig.clock.move_to(rig.clock.elapsed() + std::chrono::hours(24 * 365));
  SubmissionRig::Answer answer;
  rig.link.submit(SubmissionRig::envelope(rig.link.next_id(), small, false), SharedBytes(small),
                  [&](Result<void> result) { answer = std::move(result); });
  EXPECT_TRUE(rig.until([&] { return answer.has_value(); }));
  let_go.set_value();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(*answer);
}

TEST_F(Submission, WithoutTheMarkOfItsIdNothingIsQueued) {
  rig.attach();
  // No file can take the place of a directory.
  const std::string mark = rig.spool.path_of("id-floor");
  ASSERT_EQ(::unlink(mark.c_str()), 0);
  ASSERT_EQ(::mkdir(mark.c_str(), 0700), 0);
  rig.clock.move_to(rig.clock.elapsed() + std::chrono::hours(24 * 365));
  const auto refused = stage(large, SubmissionRig::envelope(rig.link.next_id(), large, true));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  // A staging thread removes it.
  EXPECT_TRUE(rig.until([&] { return staged_is_empty(); }));
  EXPECT_EQ(rig.queue->size(), 0u);
  ASSERT_EQ(::rmdir(mark.c_str()), 0);
  EXPECT_TRUE(rig.submit(small));
}

TEST_F(Submission, ANewProcessInTheSlotRepeatsNoId) {
  rig.attach();
  ASSERT_TRUE(rig.submit(small));
  const mail::QueueId last = rig.link.next_id();
  ASSERT_TRUE(rig.submit(small));
  rig.clock.move_to(rig.clock.elapsed() - 30min);
  daemon::QueueLink fresh(rig.loop, rig.clock, rig.log.log());
  fresh.attach(rig.connect());
  ASSERT_TRUE(rig.until([&] { return fresh.availability(0).has_value(); }));
  EXPECT_GT(fresh.next_id(), last);
  fresh.close();
}

}  // namespace
}  // namespace brevdue::tests

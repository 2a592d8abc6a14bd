// An smtpd that breaks the protocol, by fault or on purpose: it loses its channel and gets nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daemon/submission_rig.h"

namespace brevdue::tests {
namespace {

using ipc::SubmissionFrame;

class SubmissionProtocol : public testing::Test {
 protected:
  SubmissionProtocol() {
    channel.start(
        [this](std::uint8_t type, std::string_view payload, UniqueFd) {
          if (static_cast<SubmissionFrame>(type) == SubmissionFrame::hello) {
            hello = ipc::decode_hello(payload).value();
          } else if (static_cast<SubmissionFrame>(type) == SubmissionFrame::acknowledgements) {
            for (const auto& one : ipc::decode_acknowledgements(payload).value()) {
              answers.push_back(one);
            }
          } else if (static_cast<SubmissionFrame>(type) == SubmissionFrame::stage_credit) {
            credit += ipc::decode_stage_credit(payload).value().bytes;
          }
        },
        [this](const Error&) { closed = true; });
    if (!rig.until([this] { return hello.has_value(); })) throw std::runtime_error("no hello");
  }

  mail::QueueId new_id() {
    return mail::QueueId::make(rig.clock.wall() + std::chrono::microseconds(++made), slot);
  }
  void submit(const mail::Envelope& envelope, const std::string& with) {
    channel.send(static_cast<std::uint8_t>(SubmissionFrame::submit),
                 ipc::encode_submit_head(++ticket, mail::encode(envelope)), SharedBytes(with));
  }
  void send(SubmissionFrame type, std::string payload) {
    channel.send(static_cast<std::uint8_t>(type), std::move(payload));
  }
  void chunk(std::uint64_t of, std::size_t size) {
    channel.send(static_cast<std::uint8_t>(SubmissionFrame::stage_chunk),
                 ipc::encode_stage_chunk_head(of), SharedBytes(std::string(size, 'x')));
  }
  // Ticket 5, to its end. Returns the finish, to be sent once more.
  std::string stage_whole() {
    const mail::QueueId id = new_id();
    const std::string some(1000, 'x');
    send(SubmissionFrame::stage_begin, encode(ipc::StageBegin{5, id}));
    chunk(5, some.size());
    const std::string envelope = mail::encode(SubmissionRig::envelope(id, some, true));
    const std::string finish = encode(ipc::StageFinish{5, envelope});
    send(SubmissionFrame::stage_finish, finish);
    return finish;
  }
  bool is_closed() {
    return rig.until([this] { return closed; });
  }
  // The channel is in use: what was sent before has been heard.
  bool is_alive() {
    const std::size_t before = answers.size();
    submit(SubmissionRig::envelope(new_id(), content, false), content);
    return rig.until([&] { return closed || answers.size() > before; }) && !closed;
  }

  static constexpr std::uint16_t slot = SubmissionRig::slot;
  SubmissionRig rig;
  ipc::Channel channel{rig.loop, rig.connect()};
  std::optional<ipc::Hello> hello;
  std::vector<ipc::Acknowledgement> answers;
  std::uint64_t credit = 0;
  ipc::Ticket ticket = 0;
  int made = 0;
  bool closed = false;
  const std::string content = "Received: x\r\n\r\nHello.\r\n";
};

TEST_F(SubmissionProtocol, AnHonestOneIsAnswered) {
  ASSERT_TRUE(is_alive());
  EXPECT_TRUE(answers[0].durable);
  EXPECT_EQ(hello->slot, slot);
}

TEST_F(SubmissionProtocol, AnIdOfAnotherSlot) {
  const auto id = mail::QueueId::make(rig.clock.wall(), slot + 1);
  submit(SubmissionRig::envelope(id, content, false), content);
  EXPECT_TRUE(is_closed());
  EXPECT_EQ(rig.queue->size(), 0u);
}

TEST_F(SubmissionProtocol, AnIdFromTheFuture) {
  const auto id = mail::QueueId::make(rig.clock.wall() + std::chrono::hours(1), slot);
  submit(SubmissionRig::envelope(id, content, false), content);
  EXPECT_TRUE(is_closed());
  EXPECT_EQ(rig.queue->size(), 0u);
  // Nor did it move the mark on the disk.
  EXPECT_LT(
      rig.spool.read("id-floor"),
      std::to_string((rig.clock.wall() + std::chrono::minutes(5)).time_since_epoch().count()));
}

TEST_F(SubmissionProtocol, AnIdThatIsKnown) {
  const mail::QueueId id = new_id();
  submit(SubmissionRig::envelope(id, content, false), content);
  submit(SubmissionRig::envelope(id, content, false), content);
  ASSERT_TRUE(rig.until([&] { return answers.size() == 2; }));
  EXPECT_EQ(answers[0].durable + answers[1].durable, 1);
  EXPECT_EQ(rig.queue->size(), 1u);
}

TEST_F(SubmissionProtocol, ContentThatIsNotWhatTheEnvelopeSays) {
  mail::Envelope envelope = SubmissionRig::envelope(new_id(), content, false);
  envelope.content.crc32c ^= 1;
  submit(envelope, content);
  EXPECT_TRUE(is_closed());
  EXPECT_EQ(rig.queue->size(), 0u);
}

TEST_F(SubmissionProtocol, ContentOfAnotherSize) {
  submit(SubmissionRig::envelope(new_id(), content, false), content + "x");
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, NoContent) {
  submit(SubmissionRig::envelope(new_id(), "", false), "");
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, NoRecipients) {
  mail::Envelope envelope = SubmissionRig::envelope(new_id(), content, false);
  envelope.recipients.clear();
  submit(envelope, content);
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, StagedContentInAFrame) {
  submit(SubmissionRig::envelope(new_id(), content, true), content);
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, AnEnvelopeThatIsNone) {
  send(SubmissionFrame::submit, ipc::encode_submit_head(1, "no envelope"));
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, AnUnknownFrame) {
  send(static_cast<SubmissionFrame>(99), {});
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, AFrameOfQmgr) {
  send(SubmissionFrame::acknowledgements, {});
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, AChunkWithoutATicket) {
  chunk(5, 100);
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, AFinishWithoutATicket) {
  send(SubmissionFrame::stage_finish,
       encode(ipc::StageFinish{5, mail::encode(SubmissionRig::envelope(new_id(), content, true))}));
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, AChunkAfterTheFinish) {
  stage_whole();
  chunk(5, 1);
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, AFinishTwice) {
  send(SubmissionFrame::stage_finish, stage_whole());
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, ATicketTwice) {
  send(SubmissionFrame::stage_begin, encode(ipc::StageBegin{5, new_id()}));
  send(SubmissionFrame::stage_begin, encode(ipc::StageBegin{5, new_id()}));
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, AChunkOverTheCredit) {
  send(SubmissionFrame::stage_begin, encode(ipc::StageBegin{5, new_id()}));
  chunk(5, ipc::stage_credit_initial + 1);
  EXPECT_TRUE(is_closed());
}

TEST_F(SubmissionProtocol, MoreThanAMessageMayHave) {
  send(SubmissionFrame::stage_begin, encode(ipc::StageBegin{5, new_id()}));
  std::uint64_t sent = 0;
  for (int i = 0; i < 100 && !closed; ++i) {
    const std::size_t size = 128 * 1024;
    ASSERT_TRUE(rig.until([&] { return closed || sent - credit + size <= 256 * 1024; }));
    chunk(5, size);
    sent += size;
  }
  EXPECT_TRUE(is_closed());
  EXPECT_LE(sent, (1u << 20) + 128 * 1024 + 256 * 1024);
}

TEST_F(SubmissionProtocol, AnAbortOfNothingIsHarmless) {
  send(SubmissionFrame::stage_abort, ipc::encode_stage_abort(5));
  EXPECT_TRUE(is_alive());
}

TEST_F(SubmissionProtocol, NothingIsTakenAfterTheFault) {
  submit(SubmissionRig::envelope(new_id(), content, false), content);
  send(static_cast<SubmissionFrame>(99), {});
  submit(SubmissionRig::envelope(new_id(), content, false), content);
  EXPECT_TRUE(is_closed());
  run_all(rig.loop);
  EXPECT_EQ(rig.queue->size(), 1u);
}

TEST_F(SubmissionProtocol, OneThatReadsNothingCostsNoMemory) {
  UniqueFd deaf = rig.connect(slot + 1);
  for (int i = 0; i < 100'000; ++i) {
    rig.server->announce_state();
    if (i % 1000 == 0) run_all(rig.loop);
  }
  run_all(rig.loop);
  std::size_t waiting = 0;
  std::string bytes(1u << 20, '\0');
  for (ssize_t n = 0; (n = ::read(deaf.get(), bytes.data(), bytes.size())) > 0;) {
    waiting += static_cast<std::size_t>(n);
    run_all(rig.loop);
  }
  EXPECT_LT(waiting, 1u << 20);
}

// The other way round: a qmgr that says what it must not.
TEST(QueueLinkProtocol, AnAnswerToATicketThatIsNotOpen) {
  FakeClock clock;
  MemoryLog log(clock);
  boost::asio::io_context loop(1);
  auto ends = daemon::make_socket_pair();
  ASSERT_TRUE(ends);
  ipc::Channel qmgr(loop, std::move(ends->first));
  daemon::QueueLink link(loop, clock, log.log());
  bool lost = false;
  link.when_lost([&] { lost = true; });
  link.attach(std::move(ends->second));
  qmgr.send(static_cast<std::uint8_t>(SubmissionFrame::acknowledgements),
            encode(std::vector<ipc::Acknowledgement>{{77, true, {}}}));
  ASSERT_TRUE(run_until(loop, [&] { return lost; }));
  EXPECT_EQ(link.availability(0).error().code, ErrorCode::unavailable);
}

TEST(QueueLinkProtocol, WhatIsAnnouncedHasItsRoomOnTheDiskUntilItIsSentOrGivenUp) {
  constexpr std::uint64_t mib = 1u << 20;
  FakeClock clock;
  MemoryLog log(clock);
  boost::asio::io_context loop(1);
  auto ends = daemon::make_socket_pair();
  ASSERT_TRUE(ends);
  ipc::Channel qmgr(loop, std::move(ends->first));
  qmgr.send(static_cast<std::uint8_t>(SubmissionFrame::hello), encode(ipc::Hello{7, {}, mib}));
  qmgr.send(static_cast<std::uint8_t>(SubmissionFrame::queue_state),
            encode(ipc::QueueState{true, 100 * mib, 10 * mib}));
  daemon::QueueLink link(loop, clock, log.log());
  link.attach(std::move(ends->second));
  ASSERT_TRUE(run_until(loop, [&] { return link.availability(0).has_value(); }));
  EXPECT_TRUE(link.availability(10 * mib));
  EXPECT_FALSE(link.availability(10 * mib + 1));
  const mail::QueueId id = link.next_id();
  link.begin_staging(id, 8 * mib);
  EXPECT_TRUE(link.availability(2 * mib));
  ASSERT_FALSE(link.availability(2 * mib + 1));
  EXPECT_EQ(link.availability(2 * mib + 1).error().code, ErrorCode::storage_full);
  // What was sent is not kept room for any more: it shows in what the disk has left.
  const std::string chunk(1000, 'x');
  link.append(id, SharedBytes(chunk), [](Result<void>) {});
  EXPECT_TRUE(link.availability(2 * mib + 1000));
  EXPECT_FALSE(link.availability(2 * mib + 1001));
  // However much is spoken for: small content is not staged.
  link.begin_staging(link.next_id(), 8 * mib);
  EXPECT_TRUE(link.availability(1000));
  link.abort(id);
  EXPECT_FALSE(link.availability(2 * mib + 1));
  link.close();
}

TEST(QueueLinkProtocol, CreditForMoreThanWasSent) {
  FakeClock clock;
  MemoryLog log(clock);
  boost::asio::io_context loop(1);
  auto ends = daemon::make_socket_pair();
  ASSERT_TRUE(ends);
  ipc::Channel qmgr(loop, std::move(ends->first));
  qmgr.send(static_cast<std::uint8_t>(SubmissionFrame::hello), encode(ipc::Hello{7, {}, 1u << 20}));
  qmgr.send(static_cast<std::uint8_t>(SubmissionFrame::queue_state),
            encode(ipc::QueueState{true, 1u << 30, 1u << 30}));
  daemon::QueueLink link(loop, clock, log.log());
  bool lost = false;
  link.when_lost([&] { lost = true; });
  link.attach(std::move(ends->second));
  ASSERT_TRUE(run_until(loop, [&] { return link.availability(0).has_value(); }));
  link.begin_staging(link.next_id(), 0);
  qmgr.send(static_cast<std::uint8_t>(SubmissionFrame::stage_credit),
            encode(ipc::StageCredit{1, 1}));
  EXPECT_TRUE(run_until(loop, [&] { return lost; }));
}

}  // namespace
}  // namespace brevdue::tests

// Encodings of every frame: what goes in comes out, and nothing else is taken.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/bytes.h"
#include "tests/ipc/frame_samples.h"
#include "tests/mail/damage.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class EveryFrame : public testing::TestWithParam<FrameCodec> {
 protected:
  std::vector<std::string> samples() const {
    const auto all = frame_samples();
    const auto [first, last] = all.equal_range(GetParam().name);
    std::vector<std::string> mine;
    for (auto at = first; at != last; ++at) mine.push_back(at->second);
    return mine;
  }
};

TEST_P(EveryFrame, DecodesToWhatWasEncoded) {
  ASSERT_FALSE(samples().empty());
  for (const std::string& sample : samples()) {
    const auto again = GetParam().recode(sample);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(*again, sample);
  }
}

TEST_P(EveryFrame, CutShortAtAnyByteIsRefused) {
  for (const std::string& sample : samples()) {
    for (std::size_t size = 0; size < sample.size(); ++size) {
      const std::string cut = sample.substr(0, size);
      const auto decoded = GetParam().recode(cut);
      if (decoded && GetParam().ends_with_bytes) {
        EXPECT_EQ(*decoded, cut);  // a shorter frame, and nothing made up
        continue;
      }
      ASSERT_FALSE(decoded.has_value()) << size;
      EXPECT_EQ(decoded.error().code, ErrorCode::protocol);
    }
  }
}

TEST_P(EveryFrame, WithAByteBehindItIsRefusedOrKeepsIt) {
  for (const std::string& sample : samples()) {
    const std::string longer = sample + '\0';
    const auto decoded = GetParam().recode(longer);
    if (decoded && GetParam().ends_with_bytes) {
      EXPECT_EQ(*decoded, longer);
      continue;
    }
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(decoded.error().code, ErrorCode::protocol);
  }
}

TEST_P(EveryFrame, DamagedIsRefusedOrStillAFrame) {
  std::mt19937_64 random(2026);
  for (const std::string& sample : samples()) {
    for (int i = 0; i < 4000; ++i) {
      const auto once = GetParam().recode(damaged(sample, random));
      if (!once) {
        ASSERT_EQ(once.error().code, ErrorCode::protocol);
        continue;
      }
      const auto twice = GetParam().recode(*once);
      ASSERT_TRUE(twice.has_value());
      ASSERT_EQ(*twice, *once);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, EveryFrame, testing::ValuesIn(frame_codecs),
                         [](const auto& codec) { return std::string(codec.param.name); });

TEST(SubmissionFrames, Hello) {
  const auto frame =
      ipc::decode_hello(encode(ipc::Hello{4095, WallTime(1'700'000'000'000'001us), 12345}));
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->slot, 4095);
  EXPECT_EQ(frame->floor, WallTime(1'700'000'000'000'001us));
  EXPECT_EQ(frame->content_budget, 12345u);
  EXPECT_FALSE(ipc::decode_hello(encode(ipc::Hello{4096, {}, 0})).has_value());
}

TEST(SubmissionFrames, QueueState) {
  const auto frame = ipc::decode_queue_state(encode(ipc::QueueState{true, 1 << 30, 1 << 20}));
  EXPECT_TRUE(frame->available);
  EXPECT_EQ(frame->room, 1u << 30);
  EXPECT_FALSE(ipc::decode_queue_state(encode(ipc::QueueState{false, 0, 0}))->available);
}

TEST(SubmissionFrames, AcknowledgementsOfEveryKind) {
  std::vector<ipc::Acknowledgement> sent = {{1, true, {}}};
  for (int code = 0; code <= static_cast<int>(ErrorCode::protocol); ++code) {
    sent.push_back({100u + static_cast<unsigned>(code), false, static_cast<ErrorCode>(code)});
  }
  const auto got = ipc::decode_acknowledgements(encode(sent));
  ASSERT_TRUE(got.has_value());
  ASSERT_EQ(got->size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ((*got)[i].ticket, sent[i].ticket);
    EXPECT_EQ((*got)[i].durable, sent[i].durable);
    if (!sent[i].durable) EXPECT_EQ((*got)[i].error, sent[i].error);
  }
  EXPECT_THAT(ipc::decode_acknowledgements("").value(), IsEmpty());
}

TEST(SubmissionFrames, AnUnknownErrorIsNotTakenForSuccess) {
  std::string bytes = encode(std::vector<ipc::Acknowledgement>{{1, false, ErrorCode::protocol}});
  ++bytes.back();
  EXPECT_EQ(ipc::decode_acknowledgements(bytes).error().code, ErrorCode::protocol);
}

TEST(SubmissionFrames, Submit) {
  const std::string bytes = ipc::encode_submit_head(7, "envelope") + "content";
  const auto frame = ipc::decode_submit(bytes);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->ticket, 7u);
  EXPECT_EQ(frame->envelope, "envelope");
  EXPECT_EQ(frame->content, "content");
  const std::string head = ipc::encode_submit_head(7, "envelope");
  EXPECT_TRUE(ipc::decode_submit(head + std::string(ipc::inline_content_max, 'x')).has_value());
  EXPECT_FALSE(
      ipc::decode_submit(head + std::string(2 * ipc::inline_content_max, 'x')).has_value());
}

TEST(SubmissionFrames, Staging) {
  const auto begin = ipc::decode_stage_begin(encode(ipc::StageBegin{3, mail::QueueId(4)}));
  EXPECT_EQ(begin->ticket, 3u);
  EXPECT_EQ(begin->id, mail::QueueId(4));
  const std::string chunk_bytes = ipc::encode_stage_chunk_head(5) + "chunk";
  const auto chunk = ipc::decode_stage_chunk(chunk_bytes);
  EXPECT_EQ(chunk->ticket, 5u);
  EXPECT_EQ(chunk->bytes, "chunk");
  const std::string finish_bytes = encode(ipc::StageFinish{6, "envelope"});
  const auto finish = ipc::decode_stage_finish(finish_bytes);
  EXPECT_EQ(finish->ticket, 6u);
  EXPECT_EQ(finish->envelope, "envelope");
  EXPECT_EQ(ipc::decode_stage_abort(ipc::encode_stage_abort(8)).value(), 8u);
  const auto credit = ipc::decode_stage_credit(encode(ipc::StageCredit{9, 10}));
  EXPECT_EQ(credit->ticket, 9u);
  EXPECT_EQ(credit->bytes, 10u);
}

TEST(ControlFrames, Request) {
  const auto request = ipc::decode_control_request(encode(sample_request()));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->verb, ipc::ControlVerb::hold);
  EXPECT_THAT(request->ids, ElementsAre(mail::QueueId(1), mail::QueueId(UINT64_MAX)));
  EXPECT_FALSE(request->all);
  EXPECT_EQ(request->destination, "example.org");
  EXPECT_EQ(request->reverse_path, "<>");
  EXPECT_EQ(request->rate, 16u << 20);
}

TEST(ControlFrames, EveryVerbAndNoOther) {
  const auto last = static_cast<std::uint8_t>(ipc::ControlVerb::mirror_attach);
  for (unsigned verb = 0; verb < 256; ++verb) {
    std::string bytes = encode(ipc::ControlRequest());
    bytes[0] = static_cast<char>(verb);
    EXPECT_EQ(ipc::decode_control_request(bytes).has_value(), verb <= last) << verb;
  }
}

TEST(ControlFrames, ACountThatCannotBeAllocatesNothing) {
  std::string bytes = encode(ipc::ControlRequest());
  bytes.pop_back();
  put_varint(bytes, UINT64_MAX / 8);
  EXPECT_EQ(ipc::decode_control_request(bytes).error().code, ErrorCode::protocol);
}

TEST(ControlFrames, Done) {
  const auto done =
      ipc::decode_control_done(encode(ipc::ControlDone{130, true, "no such message"}));
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->matched, 130u);
  EXPECT_TRUE(done->failed);
  EXPECT_EQ(done->text, "no such message");
}
}  // namespace

}  // namespace brevdue::tests

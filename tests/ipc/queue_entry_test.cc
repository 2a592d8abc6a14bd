#include "ipc/queue_entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/bytes.h"
#include "tests/ipc/frame_samples.h"

namespace brevdue::tests {

namespace {
using namespace std::chrono_literals;
using ipc::make_queue_entry;
using mail::RecipientStatus;
using testing::IsEmpty;

mail::Envelope envelope_to(std::initializer_list<std::string> addresses) {
  mail::Envelope envelope;
  envelope.id = mail::QueueId(77);
  envelope.arrival = WallTime(1'700'000'000'000'000us);
  envelope.reverse_path = "sender@example.org";
  envelope.content.size = 4321;
  for (const std::string& address : addresses) {
    envelope.recipients.push_back({address, "rfc822;" + address, 0});
  }
  return envelope;
}

TEST(QueueEntry, OfAFreshMessage) {
  const auto entry = make_queue_entry(envelope_to({"a@x", "b@x"}), {}, false);
  EXPECT_EQ(entry.id, mail::QueueId(77));
  EXPECT_EQ(entry.arrival, WallTime(1'700'000'000'000'000us));
  EXPECT_EQ(entry.size, 4321u);
  EXPECT_EQ(entry.reverse_path, "sender@example.org");
  EXPECT_EQ(entry.attempts, 0u);
  ASSERT_EQ(entry.recipients.size(), 2u);
  EXPECT_EQ(entry.recipients[0].address, "a@x");
  EXPECT_EQ(entry.recipients[0].original_recipient, "rfc822;a@x");
  EXPECT_EQ(entry.recipients[0].status, RecipientStatus::pending);
  EXPECT_EQ(entry.recipients[0].reason, "");
}

TEST(QueueEntry, NamesTheQueueAsPostqueueDoes) {
  mail::DeliveryState state;
  const auto envelope = envelope_to({"a@x"});
  EXPECT_EQ(make_queue_entry(envelope, state, false).queue_name(), "incoming");
  EXPECT_EQ(make_queue_entry(envelope, state, true).queue_name(), "active");
  state.attempts = 1;
  EXPECT_EQ(make_queue_entry(envelope, state, false).queue_name(), "deferred");
  EXPECT_EQ(make_queue_entry(envelope, state, true).queue_name(), "active");
  state.held = true;
  EXPECT_EQ(make_queue_entry(envelope, state, true).queue_name(), "hold");
}

TEST(QueueEntry, LeavesOutRecipientsThatAreSettled) {
  mail::DeliveryState state;
  state.attempts = 2;
  state.next_attempt = WallTime(5s);
  state.results = {{0, RecipientStatus::relayed, "250 ok"},
                   {2, RecipientStatus::deferred, "450 later"},
                   {3, RecipientStatus::failed, "550 no"}};
  const auto entry =
      make_queue_entry(envelope_to({"a@x", "b@x", "c@x", "d@x", "e@x"}), state, false);
  EXPECT_EQ(entry.next_attempt, WallTime(5s));
  ASSERT_EQ(entry.recipients.size(), 3u);
  EXPECT_EQ(entry.recipients[0].address, "b@x");
  EXPECT_EQ(entry.recipients[0].status, RecipientStatus::pending);
  EXPECT_EQ(entry.recipients[1].address, "c@x");
  EXPECT_EQ(entry.recipients[1].status, RecipientStatus::deferred);
  EXPECT_EQ(entry.recipients[1].reason, "450 later");
  EXPECT_EQ(entry.recipients[2].address, "e@x");
}

TEST(QueueEntry, ResultsOfRecipientsThatAreNotThereAreIgnored) {
  mail::DeliveryState state;
  state.results = {{0, RecipientStatus::relayed, ""}, {9, RecipientStatus::failed, ""}};
  EXPECT_THAT(make_queue_entry(envelope_to({"a@x"}), state, false).recipients, IsEmpty());
}

TEST(QueueEntry, ComesThroughTheSocketAsItWas) {
  const ipc::QueueEntry sent = sample_entry();
  const auto got = ipc::decode_queue_entry(encode(sent));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->id, sent.id);
  EXPECT_EQ(got->arrival, sent.arrival);
  EXPECT_EQ(got->size, sent.size);
  EXPECT_EQ(got->reverse_path, sent.reverse_path);
  EXPECT_TRUE(got->active);
  EXPECT_FALSE(got->held);
  EXPECT_EQ(got->attempts, sent.attempts);
  EXPECT_EQ(got->next_attempt, sent.next_attempt);
  ASSERT_EQ(got->recipients.size(), 2u);
  EXPECT_EQ(got->recipients[0].address, "one@example.org");
  EXPECT_EQ(got->recipients[0].original_recipient, "rfc822;One@example.org");
  EXPECT_EQ(got->recipients[0].status, RecipientStatus::deferred);
  EXPECT_EQ(got->recipients[0].reason, "450 4.2.0 later");
  EXPECT_EQ(got->recipients[1].status, RecipientStatus::pending);
}

// An entry as encode() writes it, with what a sender that is wrong might put in.
std::string entry_with(std::uint64_t attempts, std::uint64_t count, std::uint8_t status) {
  std::string bytes;
  put(bytes, std::uint64_t{1});  // id
  put(bytes, std::uint64_t{0});  // arrival
  put_varint(bytes, 10);         // size
  put_short_string(bytes, "");   // reverse-path
  put(bytes, std::uint8_t{0});   // flags
  put_varint(bytes, attempts);
  put(bytes, std::uint64_t{0});  // next attempt
  put_varint(bytes, count);
  put_short_string(bytes, "a@x");
  put_short_string(bytes, "");
  put(bytes, status);
  put_short_string(bytes, "");
  return bytes;
}

TEST(QueueEntry, OutOfBoundsIsRefused) {
  EXPECT_TRUE(ipc::decode_queue_entry(entry_with(1, 1, 3)).has_value());
  EXPECT_FALSE(ipc::decode_queue_entry(entry_with(1, 1, 4)).has_value());
  EXPECT_FALSE(ipc::decode_queue_entry(entry_with(std::uint64_t{1} << 32, 1, 0)).has_value());
  EXPECT_FALSE(ipc::decode_queue_entry(entry_with(1, 2, 0)).has_value());
  EXPECT_FALSE(ipc::decode_queue_entry(entry_with(1, mail::recipients_max + 1, 0)).has_value());
  EXPECT_FALSE(ipc::decode_queue_entry(entry_with(1, UINT64_MAX, 0)).has_value());
}
}  // namespace

}  // namespace brevdue::tests

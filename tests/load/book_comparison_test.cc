#include "bench/load/book_comparison.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bench/load/book_file.h"

namespace brevdue::load {
namespace {

ClientEntry sent(std::string key, Outcome outcome, std::string stage = "dot") {
  ClientEntry entry;
  entry.time = 1000;
  entry.key = std::move(key);
  entry.size = 4096;
  entry.crc = 0xabc;
  entry.outcome = outcome;
  entry.stage = std::move(stage);
  entry.recipients = {"r@d"};
  return entry;
}

SinkEntry arrived(std::string key, std::int64_t time = 2000, std::string recipient = "r@d") {
  SinkEntry entry;
  entry.time = time;
  entry.key = std::move(key);
  entry.size = 4096;
  entry.crc = 0xabc;
  entry.verdict = "ok";
  entry.recipient = std::move(recipient);
  return entry;
}

Comparison compare(const std::vector<ClientEntry>& client, const std::vector<SinkEntry>& sink,
                   const ComparisonOptions& options = {}) {
  auto result = compare_books(client, sink, options);
  EXPECT_TRUE(result.has_value());
  return result.value_or(Comparison{});
}

TEST(Books, AreSoundWhenAllArrivedOnce) {
  const auto result = compare({sent("a", Outcome::accepted), sent("b", Outcome::permfail),
                               sent("c", Outcome::unsent, "content")},
                              {arrived("a")});
  EXPECT_TRUE(result.sound({}));
  EXPECT_EQ(result.accepted, 1U);
  EXPECT_EQ(result.refused, 1U);
  EXPECT_EQ(result.unsent, 1U);
  EXPECT_TRUE(result.faults.empty());
}

TEST(Books, CallAcceptedAndMissingLost) {
  const auto result =
      compare({sent("a", Outcome::accepted), sent("b", Outcome::accepted)}, {arrived("b")});
  EXPECT_EQ(result.lost, 1U);
  EXPECT_FALSE(result.sound({}));
  ASSERT_EQ(result.faults.size(), 1U);
  EXPECT_NE(result.faults[0].find("a r@d"), std::string::npos);
}

TEST(Books, CountEachRecipientByItself) {
  auto two = sent("a", Outcome::accepted);
  two.recipients = {"r@d", "s@d"};
  const auto result = compare({two}, {arrived("a")});
  EXPECT_EQ(result.accepted, 2U);
  EXPECT_EQ(result.lost, 1U);
}

TEST(Books, ExcuseWhatIsNamedAsElsewhere) {
  ComparisonOptions options;
  options.elsewhere = {"a", "b r@d", "c other@d"};
  const auto result = compare(
      {sent("a", Outcome::accepted), sent("b", Outcome::accepted), sent("c", Outcome::accepted)},
      {}, options);
  EXPECT_EQ(result.elsewhere, 2U);
  EXPECT_EQ(result.lost, 1U);
}

TEST(Books, SeeAlteredContentByVerdictAndByChecksum) {
  auto by_verdict = arrived("a");
  by_verdict.verdict = "altered";
  auto by_checksum = arrived("b");
  by_checksum.crc = 0xabd;
  const auto result = compare({sent("a", Outcome::accepted), sent("b", Outcome::accepted)},
                              {by_verdict, by_checksum});
  EXPECT_EQ(result.altered, 2U);
  EXPECT_EQ(result.lost, 0U);
  EXPECT_FALSE(result.sound({}));
}

TEST(Books, LetUnansweredAndDeferredMessagesArriveOnceOrTwice) {
  const auto result = compare({sent("a", Outcome::unknown), sent("b", Outcome::tempfail),
                               sent("c", Outcome::unknown), sent("d", Outcome::tempfail)},
                              {arrived("a"), arrived("a"), arrived("b"), arrived("b")});
  EXPECT_TRUE(result.sound({}));
  EXPECT_EQ(result.arrived_unknown, 1U);
  EXPECT_EQ(result.arrived_tempfail, 1U);
  EXPECT_EQ(result.duplicates_explained, 2U);
}

TEST(Books, CallAnythingElseThatArrivedUnexplained) {
  auto refused = sent("d", Outcome::accepted);
  refused.refused = {"s@d"};
  const auto result =
      compare({sent("a", Outcome::permfail), sent("b", Outcome::unsent, "content"),
               sent("c", Outcome::tempfail, "data"), refused},
              {arrived("a"), arrived("b"), arrived("c"), arrived("d"), arrived("d", 2000, "s@d")});
  EXPECT_EQ(result.unexplained, 4U);
  EXPECT_FALSE(result.sound({}));
}

TEST(Books, CallADuplicateOfAnAcceptedMessageAFault) {
  const auto result = compare({sent("a", Outcome::accepted)}, {arrived("a"), arrived("a", 3000)});
  EXPECT_EQ(result.duplicates, 1U);
  EXPECT_FALSE(result.sound({}));
  ComparisonOptions lenient;
  lenient.allow_duplicates = true;
  EXPECT_TRUE(result.sound(lenient));
}

TEST(Books, ExplainADuplicateByACutShortlyAfterTheFirstArrival) {
  ComparisonOptions options;
  options.cuts = {9'000'000, 2'500};
  options.cut_window = 1'000;
  const std::vector<ClientEntry> client = {sent("a", Outcome::accepted)};
  EXPECT_EQ(compare(client, {arrived("a", 2000), arrived("a", 5000)}, options).duplicates, 0U);
  EXPECT_EQ(compare(client, {arrived("a", 2600), arrived("a", 5000)}, options).duplicates, 1U)
      << "the cut was before the first arrival";
  EXPECT_EQ(compare(client, {arrived("a", 2000), arrived("a", 2400)}, options).duplicates, 1U)
      << "the cut was after the second arrival";
  EXPECT_EQ(compare(client, {arrived("a", 1000), arrived("a", 5000)}, options).duplicates, 1U)
      << "the result had the time to become durable";
}

TEST(Books, ExplainADuplicateByAnArrivalThatTheSinkDidNotAnswer) {
  auto first = arrived("a");
  first.answered = false;
  const std::vector<ClientEntry> client = {sent("a", Outcome::accepted)};
  EXPECT_EQ(compare(client, {arrived("a", 3000), first}).duplicates_explained, 1U);
  EXPECT_EQ(compare(client, {arrived("a", 1000), first}).duplicates, 1U)
      << "only the second was not answered";
}

TEST(Books, CallWhatNoClientSentAGhostOrForeign) {
  auto dsn = arrived("-");
  dsn.verdict = "foreign";
  const auto result = compare({sent("a", Outcome::accepted)},
                              {arrived("a"), arrived("x"), arrived("a", 2000, "nobody@d"), dsn});
  EXPECT_EQ(result.ghosts, 2U);
  EXPECT_EQ(result.foreign, 1U);
  EXPECT_FALSE(result.sound({}));
  ComparisonOptions lenient;
  lenient.allow_foreign = true;
  EXPECT_FALSE(result.sound(lenient)) << "ghosts are never allowed";
  EXPECT_TRUE(compare({}, {dsn}).sound(lenient));
  EXPECT_FALSE(compare({}, {dsn}).sound({}));
}

TEST(Books, RefuseAKeyThatIsThereTwice) {
  EXPECT_FALSE(compare_books({sent("a", Outcome::accepted), sent("a", Outcome::accepted)}, {}, {}));
}

TEST(BookEntries, AreReadBackAsTheyWereWritten) {
  auto client = sent("a", Outcome::tempfail);
  client.code = 451;
  client.queue_id = "QID";
  client.refused = {"s@d", "t@d"};
  std::string line;
  append_line(line, client);
  ASSERT_TRUE(line.ends_with('\n'));
  const auto read = parse_client_line(std::string_view(line).substr(0, line.size() - 1));
  ASSERT_TRUE(read.has_value());
  std::string again;
  append_line(again, *read);
  EXPECT_EQ(again, line);
  EXPECT_EQ(read->outcome, Outcome::tempfail);
  EXPECT_EQ(read->refused, client.refused);

  auto sink = arrived("a");
  sink.answered = false;
  line.clear();
  append_line(line, sink);
  const auto sink_read = parse_sink_line(std::string_view(line).substr(0, line.size() - 1));
  ASSERT_TRUE(sink_read.has_value());
  again.clear();
  append_line(again, *sink_read);
  EXPECT_EQ(again, line);
  EXPECT_FALSE(sink_read->answered);
}

TEST(BookEntries, RefuseTornLines) {
  std::string line;
  append_line(line, sent("a", Outcome::accepted));
  line.pop_back();
  EXPECT_FALSE(parse_client_line(line.substr(0, line.rfind('\t'))));
  EXPECT_FALSE(parse_client_line("x" + line));
  EXPECT_FALSE(parse_sink_line(line));
}

}  // namespace
}  // namespace brevdue::load

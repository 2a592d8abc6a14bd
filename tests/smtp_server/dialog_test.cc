// Every dialog, through the pure session, in every way that must make no difference.
#include "tests/dialogs/dialog.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/dialogs/dialog_runner.h"
#include "tests/dialogs/session_transport.h"

namespace brevdue::dialogs {

static const std::vector<Dialog>& all_dialogs() {
  static const std::vector<Dialog> dialogs = [] {
    auto read = read_dialogs(BREVDUE_DIALOGS_PATH);
    if (!read) throw std::runtime_error(describe(read.error()));
    return std::move(*read);
  }();
  return dialogs;
}

static void expect_nothing_left(FakeReception& reception) {
  EXPECT_EQ(reception.staging(), 0u) << "staged content was left behind";
  EXPECT_EQ(reception.room().used(), 0u) << "room was not given back";
  EXPECT_EQ(reception.room().waiting(), 0u) << "somebody still waits for room";
  for (const std::string& fault : reception.faults()) ADD_FAILURE() << fault;
}

class DialogTest : public testing::TestWithParam<Dialog> {
 protected:
  static void expect_as_written(SessionModes modes) {
    SessionTransport transport(modes);
    for (const std::string& problem : run(GetParam(), transport)) ADD_FAILURE() << problem;
    transport.lose();
    expect_nothing_left(transport.reception());
  }

  // The dialog of a client that waits for each reply and does not care what it says.
  static Dialog blind() {
    Dialog dialog = GetParam();
    std::erase_if(dialog.steps, [](const Step& step) {
      return step.kind == StepKind::messages || step.kind == StepKind::message ||
             step.kind == StepKind::log || step.kind == StepKind::no_log ||
             step.kind == StepKind::open || step.kind == StepKind::closed;
    });
    for (Step& step : dialog.steps) {
      if (step.kind == StepKind::expect) step.text = "*";
    }
    return dialog;
  }
};

TEST_P(DialogTest, GoesAsWrittenHoweverItArrives) {
  for (const bool bytewise : {false, true}) {
    for (const bool deferred : {false, true}) {
      SCOPED_TRACE(fmt::format("{}, the queue answers {}", bytewise ? "cut at each byte" : "whole",
                               deferred ? "later" : "at once"));
      expect_as_written({.bytewise = bytewise, .deferred = deferred});
    }
  }
}

TEST_P(DialogTest, SubmitsNothingIncompleteWhenTheConnectionIsLost) {
  const Dialog dialog = blind();
  SessionTransport whole({.bytewise = true});
  run(dialog, whole);
  const std::vector<std::size_t> submits = whole.reception().submits();
  const std::size_t total = whole.sent();
  // Every cut of a usual dialog; of a long one a few, and those around each submit.
  std::set<std::size_t> cuts{0, total};
  const std::size_t stride = total < 2000 ? 1 : total / (total < 20'000 ? 400 : 40);
  for (std::size_t cut = 0; cut < total; cut += stride) cuts.insert(cut);
  for (const std::size_t submit : submits) cuts.insert({submit - 1, submit, submit + 1});
  for (const std::size_t cut : cuts) {
    SCOPED_TRACE(fmt::format("lost after {} bytes of {}", cut, total));
    const auto complete = std::ranges::count_if(submits, [&](auto at) { return at <= cut; });
    // With a queue that answers later, the answer finds the session gone.
    for (const bool deferred : {false, true}) {
      SessionTransport transport({.deferred = deferred, .cut_after = cut});
      run(dialog, transport);
      transport.lose();
      EXPECT_EQ(static_cast<std::ptrdiff_t>(transport.reception().submits().size()), complete);
      expect_nothing_left(transport.reception());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dialogs, DialogTest, testing::ValuesIn(all_dialogs()),
                         [](const auto& one) { return one.param.name; });

TEST(DialogFormatTest, NamesTheLineOfAnUnknownStep) {
  const auto dialog = parse_dialog("one", "-> EHLO x\n\n<= 250\n");
  ASSERT_FALSE(dialog.has_value());
  EXPECT_EQ(dialog.error().context, "one:3: unknown step \"<=\"");
}

TEST(DialogFormatTest, ARunThatDiffersIsReported) {
  const auto dialog = parse_dialog("one", "<- 220 *\n-> NOOP\n<- 500 *\n");
  ASSERT_TRUE(dialog.has_value());
  SessionTransport transport({});
  EXPECT_EQ(run(*dialog, transport),
            std::vector<std::string>{"one:3: expected \"500 *\", got \"250 2.0.0 Ok\""});
}

TEST(DialogFormatTest, MatchesByStars) {
  EXPECT_TRUE(matches("a*c", "abc"));
  EXPECT_TRUE(matches("a*c*", "acc"));
  EXPECT_FALSE(matches("a*c", "abcd"));
  EXPECT_FALSE(matches("abc", "ab"));
  EXPECT_TRUE(matches("*", ""));
}

}  // namespace brevdue::dialogs

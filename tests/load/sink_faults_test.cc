#include "bench/load/sink_faults.h"

#include <string>

#include <gtest/gtest.h>

#include "bench/load/sink_session.h"

namespace brevdue::load {
namespace {

// A session with the faults given, fed with a whole message; what it says.
struct Dialog {
  explicit Dialog(std::vector<Fault> faults, SinkOptions given = {})
      : options(std::move(given)),
        shared{.options = options,
               .faults = FaultPlan(std::move(faults), 1),
               .book = {},
               .counters = {}},
        session(shared) {
    session.greet();
  }
  std::string say(std::string_view lines) {
    session.out().clear();
    session.feed(lines);
    return session.out();
  }
  std::string send_one() {
    return say("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n") + say("hi\r\n.\r\n");
  }

  SinkOptions options;
  SinkShared shared;
  SinkSession session;
};

Fault at(Stage stage, Action action = Action::reply, int code = 450) {
  Fault fault;
  fault.stage = stage;
  fault.action = action;
  fault.code = code;
  return fault;
}

TEST(SinkSession, TakesAMessage) {
  Dialog dialog({});
  EXPECT_TRUE(dialog.session.out().starts_with("220 "));
  EXPECT_NE(dialog.send_one().find("250 2.0.0 Ok: queued as 1\r\n"), std::string::npos);
  EXPECT_EQ(dialog.shared.counters.messages, 1U);
  EXPECT_EQ(dialog.shared.counters.foreign, 1U);
}

TEST(SinkSession, TakesCommandsSplitAtEveryByte) {
  const std::string all =
      "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n";
  for (std::size_t split = 0; split <= all.size(); ++split) {
    Dialog dialog({});
    dialog.session.feed(std::string_view(all).substr(0, split));
    dialog.session.feed(std::string_view(all).substr(split));
    ASSERT_EQ(dialog.shared.counters.messages, 1U) << split;
    ASSERT_EQ(dialog.session.ending(), SinkSession::Ending::close) << split;
  }
}

TEST(SinkSession, OffersOnlyWhatItIsToldTo) {
  SinkOptions options;
  options.pipelining = options.utf8 = options.dsn = options.eight_bit = false;
  options.enhanced_codes = options.announce_size = false;
  Dialog dialog({}, options);
  EXPECT_EQ(dialog.say("EHLO x\r\n"), "250 sink.load.test\r\n");
  EXPECT_EQ(dialog.say("RSET\r\n"), "250 Ok\r\n");
  Dialog full({});
  const std::string all = full.say("EHLO x\r\n");
  for (const char* name :
       {"PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "DSN", "ENHANCEDSTATUSCODES"}) {
    EXPECT_NE(all.find(name), std::string::npos) << name;
  }
}

TEST(SinkSession, RefusesWhatIsTooLargeAtMailAndAtTheDot) {
  SinkOptions options;
  options.size_limit = 3;
  Dialog dialog({}, options);
  EXPECT_TRUE(dialog.say("MAIL FROM:<a@b> SIZE=4\r\n").starts_with("552 "));
  EXPECT_NE(dialog.send_one().find("552 "), std::string::npos);
  EXPECT_EQ(dialog.shared.counters.messages, 0U);
}

TEST(SinkSession, ShowsFourAndFiveHundredsAtEachStage) {
  for (const Stage stage : {Stage::ehlo, Stage::mail, Stage::rcpt, Stage::data, Stage::dot}) {
    Dialog dialog({at(stage, Action::reply, 451)});
    EXPECT_NE(dialog.send_one().find("451 4.3.0"), std::string::npos);
    EXPECT_EQ(dialog.shared.counters.messages, stage == Stage::ehlo ? 1U : 0U);
    EXPECT_EQ(dialog.shared.counters.faults, 1U);
  }
  Dialog refusing({at(Stage::connect, Action::reply, 554)});
  EXPECT_TRUE(refusing.session.out().starts_with("554 "));
  EXPECT_EQ(refusing.session.ending(), SinkSession::Ending::close);
}

TEST(SinkSession, ClosesResetsAndStallsWhereTold) {
  for (const Stage stage : {Stage::mail, Stage::rcpt, Stage::data, Stage::body, Stage::dot}) {
    Dialog closing({at(stage, Action::close)});
    closing.send_one();
    EXPECT_EQ(closing.session.ending(), SinkSession::Ending::close);
    EXPECT_EQ(closing.shared.counters.messages, 0U);
    Dialog resetting({at(stage, Action::reset)});
    resetting.send_one();
    EXPECT_EQ(resetting.session.ending(), SinkSession::Ending::reset);
    Dialog stalling({at(stage, Action::stall)});
    stalling.send_one();
    EXPECT_EQ(stalling.session.ending(), SinkSession::Ending::stall);
    EXPECT_EQ(stalling.say("NOOP\r\n"), "") << "never answers again";
  }
}

TEST(SinkSession, KeepsAMessageWithoutAnAnswer) {
  Dialog dialog({at(Stage::kept, Action::close)});
  EXPECT_EQ(dialog.send_one().find("queued as"), std::string::npos);
  EXPECT_EQ(dialog.shared.counters.messages, 1U);
  EXPECT_EQ(dialog.session.ending(), SinkSession::Ending::close);
}

TEST(SinkSession, TellsEachLie) {
  const auto told = [](Lie lie) {
    Fault fault = at(Stage::mail, Action::lie);
    fault.lie = lie;
    Dialog dialog({fault});
    dialog.say("EHLO x\r\n");
    const std::string out = dialog.say("MAIL FROM:<a@b>\r\n");
    return out + dialog.session.endless();
  };
  EXPECT_EQ(told(Lie::mismatch), "250-one thing\r\n550 and another\r\n");
  EXPECT_EQ(told(Lie::preliminary), "150 wait\r\n");
  EXPECT_EQ(told(Lie::endless_lines), "250-and then\r\n");
  EXPECT_EQ(told(Lie::endless_line), "250 and so on ");
  EXPECT_EQ(told(Lie::code), "999 beyond\r\n");
  EXPECT_EQ(told(Lie::twice), "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
  EXPECT_EQ(told(Lie::garbage).size(), 258U);
}

TEST(FaultPlan, StrikesOnlyMatchingRecipients) {
  Fault fault = at(Stage::rcpt);
  fault.recipient = "bad*";
  FaultPlan plan({fault}, 1);
  EXPECT_EQ(plan.strike(Stage::rcpt, {"good@d"}), nullptr);
  EXPECT_NE(plan.strike(Stage::rcpt, {"bad1@d"}), nullptr);
  EXPECT_EQ(plan.strike(Stage::data, {"bad1@d"}), nullptr);
}

TEST(FaultPlan, StrikesAShareAndANumberOfTimes) {
  Fault fault = at(Stage::dot);
  fault.share = 0.25;
  FaultPlan plan({fault}, 1);
  int struck = 0;
  for (int i = 0; i < 4000; ++i) struck += plan.strike(Stage::dot, {}) != nullptr;
  EXPECT_GT(struck, 850);
  EXPECT_LT(struck, 1150);

  fault.share = 1;
  fault.times = 2;
  FaultPlan twice({fault}, 1);
  struck = 0;
  for (int i = 0; i < 10; ++i) struck += twice.strike(Stage::dot, {}) != nullptr;
  EXPECT_EQ(struck, 2);
}

TEST(FaultPlan, RestsWhileDisabled) {
  FaultPlan plan({at(Stage::dot)}, 1);
  plan.enable(false);
  EXPECT_EQ(plan.strike(Stage::dot, {}), nullptr);
  plan.enable(true);
  EXPECT_NE(plan.strike(Stage::dot, {}), nullptr);
}

}  // namespace
}  // namespace brevdue::load

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bench/load/load_options.h"
#include "bench/load/sink_options.h"

namespace brevdue::load {
namespace {

TEST(LoadOptions, AreReadFromTheCommandLine) {
  bool help = false;
  const auto options =
      parse_load_options({"--to", "127.0.0.1:25", "-c", "7", "--messages=9", "--size", "400-5000",
                          "--recipients", "2", "--rate", "2.5", "--pipelining", "--from", ""},
                         help);
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->connections, 7U);
  EXPECT_EQ(options->messages, 9U);
  EXPECT_EQ(options->smallest, 400U);
  EXPECT_EQ(options->largest, 5000U);
  EXPECT_EQ(options->rate, 2.5);
  EXPECT_TRUE(options->pipelining);
  EXPECT_EQ(options->from, "");
}

TEST(LoadOptions, NameWhatIsWrong) {
  bool help = false;
  const auto context = [&](const std::vector<std::string_view>& arguments) {
    const auto options = parse_load_options(arguments, help);
    return options ? std::string() : options.error().context;
  };
  EXPECT_NE(context({"--messages", "1"}).find("--to"), std::string::npos);
  EXPECT_NE(context({"--to", "h:1"}).find("--messages"), std::string::npos);
  EXPECT_NE(context({"--size", "10"}).find("--size"), std::string::npos);
  EXPECT_NE(context({"--size", "5000-400"}).find("empty"), std::string::npos);
  EXPECT_NE(context({"--connections"}).find("needs a value"), std::string::npos);
  EXPECT_NE(context({"--wrong"}).find("--wrong"), std::string::npos);
}

TEST(LoadOptions, ExpandRecipients) {
  EXPECT_EQ(expand_recipient("u%r.%n@d%d.test", 5, 2, 3), "u2.5@d1.test");
  EXPECT_EQ(expand_recipient("100%@d%", 5, 2, 3), "100%@d%");
}

TEST(SinkOptions, GiveConditionsToTheFaultBefore) {
  bool help = false;
  const auto options = parse_sink_options(
      {"--reply-at", "rcpt", "450", "--share", "0.1", "--only-recipient", "bad*", "--close-at",
       "dot", "--times", "3", "--lie-at", "mail", "garbage", "--no-pipelining", "--latency", "5"},
      help);
  ASSERT_TRUE(options.has_value());
  ASSERT_EQ(options->faults.size(), 3U);
  EXPECT_EQ(options->faults[0].stage, Stage::rcpt);
  EXPECT_EQ(options->faults[0].code, 450);
  EXPECT_EQ(options->faults[0].share, 0.1);
  EXPECT_EQ(options->faults[0].recipient, "bad*");
  EXPECT_EQ(options->faults[1].action, Action::close);
  EXPECT_EQ(options->faults[1].times, 3U);
  EXPECT_EQ(options->faults[1].share, 1);
  EXPECT_EQ(options->faults[2].lie, Lie::garbage);
  EXPECT_FALSE(options->pipelining);
  EXPECT_EQ(options->latency.count(), 5);
}

TEST(SinkOptions, RefuseWhatCannotBe) {
  bool help = false;
  EXPECT_FALSE(parse_sink_options({"--share", "0.5"}, help)) << "no fault before it";
  EXPECT_FALSE(parse_sink_options({"--reply-at", "kept", "450"}, help));
  EXPECT_FALSE(parse_sink_options({"--reply-at", "lunch", "450"}, help));
  EXPECT_FALSE(parse_sink_options({"--reply-at", "dot", "150"}, help));
  EXPECT_FALSE(parse_sink_options({"--close-at", "mail", "--only-recipient", "x"}, help));
  EXPECT_FALSE(parse_sink_options({"--lie-at", "dot", "politely"}, help));
}

}  // namespace
}  // namespace brevdue::load

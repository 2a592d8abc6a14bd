#include "config/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "config/settings.h"

namespace brevdue::config {
namespace {

const Machine machine{"mx.example.org", 4};

Config changed_config() {
  auto loaded = parse(R"(
mynetworks = ["192.0.2.0/24", "2001:db8::/32"]
[queue]
backend = "maildir"
path = "/srv/a \"quoted\" \\ path"
reserve = 1234567
[retry]
delay_min = "1500ms"
jitter = 0.37
[[listen]]
address = "[::1]:2525"
[[listen]]
address = "127.0.0.1:2525"
)",
                      "f.toml", machine);
  EXPECT_TRUE(loaded.has_value());
  return loaded ? *loaded : Config{};
}

TEST(Print, WhatIsPrintedReadsBackAsTheSameConfig) {
  for (const Config& config : {defaults(machine), changed_config()}) {
    const std::string text = effective(config);
    const auto again = parse(text, "printed", {"other", 64});
    ASSERT_TRUE(again.has_value()) << again.error().front().describe();
    EXPECT_EQ(*again, config) << text;
  }
}

TEST(Print, ChangedSettingsAloneReadBackAsTheSameConfig) {
  const Config config = changed_config();
  const auto text = print(config, defaults(machine), Selection::changed);
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(*text,
            "mynetworks = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n"
            "queue.backend = \"maildir\"\n"
            "queue.path = \"/srv/a \\\"quoted\\\" \\\\ path\"\n"
            "queue.reserve = 1234567\n"
            "retry.delay_min = \"1500ms\"\n"
            "retry.jitter = 0.37\n"
            "listen = [{ address = \"[::1]:2525\" }, { address = \"127.0.0.1:2525\" }]\n");
  const auto again = parse(*text, "printed", machine);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, config);
}

TEST(Print, NothingHasChangedInTheDefaults) {
  const Config config = defaults(machine);
  EXPECT_EQ(print(config, config, Selection::changed).value(), "");
}

TEST(Print, DefaultsAreThoseOfTheTableWhateverIsInForce) {
  const auto text = print(changed_config(), defaults(machine), Selection::defaults);
  ASSERT_TRUE(text.has_value());
  EXPECT_THAT(*text, testing::StartsWith("hostname = \"\"\n"));
  const auto again = parse(*text, "printed", machine);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, defaults(machine));
}

TEST(Print, KeysNameSettingsAndSections) {
  const Config config = defaults(machine);
  const std::string keys[] = {"queue.lmdb", "hostname"};
  EXPECT_EQ(print(config, config, Selection::all, keys).value(),
            "queue.lmdb.map_size = \"1TiB\"\n"
            "queue.lmdb.growth_step = \"64MiB\"\n"
            "hostname = \"mx.example.org\"\n");
  const std::string listen[] = {"listen"};
  EXPECT_EQ(print(config, config, Selection::all, listen).value(),
            "listen = [{ address = \"127.0.0.1:25\" }]\n");
}

TEST(Print, ASettingNamedTwiceIsPrintedOnce) {
  const Config config = defaults(machine);
  const std::string keys[] = {"log.ident", "log"};
  EXPECT_EQ(print(config, config, Selection::all, keys).value(),
            "log.ident = \"brevdue\"\nlog.target = \"stderr\"\n");
}

TEST(Print, AnUnknownKeyIsAnErrorWithTheNearestName) {
  const Config config = defaults(machine);
  const std::string keys[] = {"retry.jiter"};
  const auto text = print(config, config, Selection::all, keys);
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::not_found);
  EXPECT_EQ(text.error().context, "unknown setting 'retry.jiter'; did you mean 'retry.jitter'?");
}

TEST(Print, DocumentationSaysDefaultRangeAndMeaning) {
  const std::string keys[] = {"dns.tries"};
  EXPECT_EQ(documentation(keys).value(),
            "dns.tries = 3\n"
            "    (number, 1 to 20)\n"
            "    How often each server is asked before the lookup fails temporarily.\n");
}

TEST(Print, DocumentationOfEverythingNamesEverySetting) {
  const std::string text = documentation().value();
  for (const Setting& setting : settings()) {
    if (setting.kind == Kind::listeners) continue;
    EXPECT_THAT(text, testing::HasSubstr(std::string(setting.key) + " = ")) << setting.key;
  }
  EXPECT_THAT(text, testing::HasSubstr("listen = [{ address"));
}

}  // namespace
}  // namespace brevdue::config

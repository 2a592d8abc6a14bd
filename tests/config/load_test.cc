#include "config/load.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/settings.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::config {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

const Machine machine{"mx.example.org", 4};

TEST(Load, AnEmptyFileGivesTheDefaults) {
  const auto loaded = parse("", "brevdue.toml", machine);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(*loaded, defaults(machine));
}

TEST(Load, TheDefaultsAreThoseOfTheTable) {
  const Config config = defaults(machine);
  EXPECT_EQ(config.queue.backend, Backend::iouring);
  EXPECT_EQ(config.queue.path, "/var/spool/brevdue");
  EXPECT_EQ(config.queue.lmdb.map_size, 1ull << 40);
  EXPECT_EQ(config.smtpd.message_size_limit, 50u << 20);
  EXPECT_EQ(config.delivery.connect_timeout, 30s);
  EXPECT_EQ(config.retry.expire_after, 24h * 5);
  EXPECT_DOUBLE_EQ(config.retry.jitter, 0.2);
  EXPECT_THAT(config.mynetworks, ElementsAre("127.0.0.0/8", "::1/128"));
  EXPECT_THAT(config.listen, ElementsAre(Listener{"127.0.0.1:25"}));
}

TEST(Load, WhatIsLeftToBrevdueIsChosenFromTheMachine) {
  const Config config = defaults(machine);
  EXPECT_EQ(config.hostname, "mx.example.org");
  EXPECT_EQ(config.delivery.helo_name, "mx.example.org");
  EXPECT_EQ(config.smtpd.processes, 2u);
  EXPECT_EQ(config.delivery.processes, 2u);
  EXPECT_EQ(defaults({"mx", 1}).smtpd.processes, 1u);
  EXPECT_EQ(defaults({"mx", 0}).smtpd.processes, 1u);
}

TEST(Load, TheHeloNameFollowsTheHostname) {
  const auto loaded = parse("hostname = \"relay.example.net\"", "brevdue.toml", machine);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->delivery.helo_name, "relay.example.net");
}

TEST(Load, ReadsEverySection) {
  const auto loaded = parse(R"(
hostname = "mx.example.org"
mynetworks = ["192.0.2.0/24"]
[queue]
backend = "lmdb"
path = "/srv/spool"
[queue.lmdb]
growth_step = 1048576
[control]
socket = "/tmp/control"
[smtpd]
processes = 3
timeout = "250s"
[delivery]
relay_host = "[2001:db8::1]:2526"
connection_idle = 0
[retry]
jitter = 0
[dns]
servers = ["127.0.0.1:5454", "::1"]
addresses = "ipv4_only"
[log]
target = "/var/log/brevdue.log"
ident = "postfix"
[[listen]]
address = "127.0.0.1:2525"
[[listen]]
address = "[::1]:2525"
)",
                            "brevdue.toml", machine);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().front().describe();
  EXPECT_EQ(loaded->queue.backend, Backend::lmdb);
  EXPECT_EQ(loaded->queue.path, "/srv/spool");
  EXPECT_EQ(loaded->queue.lmdb.growth_step, 1u << 20);
  EXPECT_EQ(loaded->control.socket, "/tmp/control");
  EXPECT_EQ(loaded->smtpd.processes, 3u);
  EXPECT_EQ(loaded->smtpd.timeout, 250s);
  EXPECT_EQ(loaded->delivery.relay_host, "[2001:db8::1]:2526");
  EXPECT_EQ(loaded->delivery.connection_idle, 0s);
  EXPECT_DOUBLE_EQ(loaded->retry.jitter, 0);
  EXPECT_THAT(loaded->dns.servers, ElementsAre("127.0.0.1:5454", "::1"));
  EXPECT_EQ(loaded->dns.addresses, AddressPreference::ipv4_only);
  EXPECT_EQ(loaded->log.ident, "postfix");
  EXPECT_THAT(loaded->listen, ElementsAre(Listener{"127.0.0.1:2525"}, Listener{"[::1]:2525"}));
}

TEST(Load, DottedKeysAndInlineTablesAreTheSameAsSections) {
  const auto dotted = parse("queue.maildir.sync = \"fsync\"\nlisten = [{ address = \"[::]:25\" }]",
                            "brevdue.toml", machine);
  const auto sections =
      parse("[queue.maildir]\nsync = \"fsync\"\n[[listen]]\naddress = \"[::]:25\"", "brevdue.toml",
            machine);
  ASSERT_TRUE(dotted.has_value());
  ASSERT_TRUE(sections.has_value());
  EXPECT_EQ(*dotted, *sections);
  EXPECT_EQ(dotted->queue.maildir.sync, MaildirSync::fsync);
}

TEST(Load, PortZeroMayStandInSeveralListeners) {
  const auto loaded = parse("listen = [{address = \"127.0.0.1:0\"}, {address = \"127.0.0.1:0\"}]",
                            "brevdue.toml", machine);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->listen.size(), 2u);
}

TEST(Load, ReadsAFile) {
  const tests::TemporaryDirectory directory;
  directory.write("brevdue.toml", "[smtpd]\nprocesses = 7\n");
  const auto loaded = load(directory.path_of("brevdue.toml"), machine);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->smtpd.processes, 7u);
}

TEST(Load, AMissingFileIsAProblem) {
  const auto loaded = load("/nonexistent/brevdue.toml", machine);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().front().describe(),
            "/nonexistent/brevdue.toml: cannot be read: No such file or directory; name another "
            "with -c FILE");
}

TEST(Load, AHugeFileIsAProblem) {
  const tests::TemporaryDirectory directory;
  directory.write("brevdue.toml", std::string((1 << 20) + 1, '#'));
  const auto loaded = load(directory.path_of("brevdue.toml"), machine);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().front().text, "is larger than 1MiB; this is no config file");
}

TEST(Load, EverySettingIsSetByItsOwnKeyAlone) {
  for (const Setting& setting : settings()) {
    if (setting.kind != Kind::count) continue;
    Config config = defaults(machine);
    const Config before = config;
    setting.set(config, setting.max);
    EXPECT_EQ(setting.get(config), Value(setting.max)) << setting.key;
    setting.set(config, setting.get(before));
    EXPECT_EQ(config, before) << setting.key;
  }
}

TEST(Load, EveryBoundFitsItsMember) {
  for (const Setting& setting : settings()) {
    Config config = defaults(machine);
    if (setting.kind == Kind::size || setting.kind == Kind::duration ||
        setting.kind == Kind::count) {
      EXPECT_LT(setting.min, setting.max) << setting.key;
      for (const std::uint64_t bound : {setting.min, setting.max}) {
        setting.set(config, bound);
        EXPECT_EQ(setting.get(config), Value(bound)) << setting.key;
      }
    }
  }
}

TEST(Load, EverySettingIsDocumentedAndHasItsOwnKey) {
  std::set<std::string_view> keys;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(setting.documentation.ends_with('.')) << setting.key;
    EXPECT_TRUE(keys.insert(setting.key).second) << setting.key;
    EXPECT_EQ(find_setting(setting.key), &setting);
  }
}

}  // namespace
}  // namespace brevdue::config

// Each mistake that can be made in brevdue.toml, with the exact line that an operator reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace brevdue::config {
namespace {

const Machine machine{"mx.example.org", 4};

std::vector<std::string> problems_in(std::string_view text) {
  const auto loaded = parse(text, "f.toml", machine);
  if (loaded) return {};
  std::vector<std::string> lines;
  for (const Problem& problem : loaded.error()) lines.push_back(problem.describe());
  return lines;
}

struct Mistake {
  const char* name;
  const char* text;
  const char* line;
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << mistake.name;
}

class OneMistake : public testing::TestWithParam<Mistake> {};

TEST_P(OneMistake, IsNamedExactly) {
  EXPECT_THAT(problems_in(GetParam().text), testing::ElementsAre(GetParam().line));
}

const Mistake names[] = {
    {"UnknownSetting", "[queue]\nbakend = 1",
     "f.toml:2:1: queue.bakend: unknown setting 'queue.bakend'; did you mean 'queue.backend'?"},
    {"UnknownTopLevelSetting", "hostnme = 'x'",
     "f.toml:1:1: hostnme: unknown setting 'hostnme'; did you mean 'hostname'?"},
    {"RightNameInTheWrongSection", "relay_host = 'x'",
     "f.toml:1:1: relay_host: unknown setting 'relay_host'; did you mean 'delivery.relay_host'?"},
    {"NothingNear", "colour = 'red'",
     "f.toml:1:1: colour: unknown setting 'colour'; 'brevdue conf --docs' lists them all"},
    {"UnknownSection", "[quue]\nbackend = 'lmdb'",
     "f.toml:1:2: quue: unknown section 'quue'; did you mean 'queue'?"},
    {"UnknownNestedSection", "[queue.lmbd]\nmap_size = 1",
     "f.toml:1:8: queue.lmbd: unknown section 'queue.lmbd'; did you mean 'queue.lmdb'?"},
    {"QuotedNameWithADot", "'queue.path' = '/x'",
     "f.toml:1:1: queue.path: a name in quotes is taken whole, dots included; write it without "
     "quotes"},
    {"UnknownSettingOfAListener", "[[listen]]\naddress = '[::]:25'\nadress = 1",
     "f.toml:3:1: listen.adress: unknown setting 'listen.adress'; did you mean 'listen.address'?"},
    {"SectionGivenAValue", "queue = 'lmdb'",
     "f.toml:1:9: queue: this is a string, but 'queue' is a section; write [queue] on a line of "
     "its "
     "own"},
};

const Mistake types[] = {
    {"NumberForText", "hostname = 5",
     "f.toml:1:12: hostname: this is an integer; write a string, such as \"mx.example.org\""},
    {"TextForNumber", "smtpd.processes = 'two'",
     "f.toml:1:19: smtpd.processes: this is a string; write a whole number, such as 0"},
    {"FractionForNumber", "smtpd.processes = 1.5",
     "f.toml:1:19: smtpd.processes: this is a fraction; write a whole number, such as 0"},
    {"BooleanForSize", "queue.reserve = true",
     "f.toml:1:17: queue.reserve: this is a boolean; write a size, such as \"64MiB\""},
    {"TextForList", "mynetworks = '10.0.0.0/8'",
     "f.toml:1:14: mynetworks: this is a string; write a list of strings, such as "
     "[\"127.0.0.0/8\", "
     "\"::1/128\"]"},
    {"NumberInList", "dns.servers = [\n'192.0.2.53',\n 53]",
     "f.toml:3:2: dns.servers: an entry is an integer; write strings, such as [\"192.0.2.53\"]"},
    {"DateForDuration", "retry.delay_min = 2026-11-24",
     "f.toml:1:19: retry.delay_min: this is a date; write a duration, such as \"5m\""},
    {"TableForText", "[queue.path]\nx = 1",
     "f.toml:1:1: queue.path: this is a table; write a string, such as \"/var/spool/brevdue\""},
    {"TextForRatio", "retry.jitter = '20%'",
     "f.toml:1:16: retry.jitter: this is a string; write a number, such as 0.2"},
    {"NumberForChoice", "queue.backend = 1",
     "f.toml:1:17: queue.backend: this is an integer; write a string, such as \"iouring\""},
};

const Mistake ranges[] = {
    {"BelowRange", "smtpd.recipients_max = 99",
     "f.toml:1:24: smtpd.recipients_max: 99 is out of range; write 100 to 50000"},
    {"AboveRange", "delivery.port = 65536",
     "f.toml:1:17: delivery.port: 65536 is out of range; write 1 to 65535"},
    {"Negative", "smtpd.processes = -1",
     "f.toml:1:19: smtpd.processes: -1 is out of range; write 0 to 64"},
    {"SizeOutOfRange", "queue.iouring.segment_size = '1 KiB'",
     "f.toml:1:30: queue.iouring.segment_size: 1 KiB is out of range; write 16MiB to 1GiB"},
    {"SizeNotAMultiple", "queue.iouring.segment_size = 16777217",
     "f.toml:1:30: queue.iouring.segment_size: 16777217 is not a multiple of \"4KiB\"; write "
     "\"16MiB\""},
    {"DurationOutOfRange", "smtpd.timeout = '2d'",
     "f.toml:1:17: smtpd.timeout: 2d is out of range; write 1s to 1d"},
    {"ZeroDurationOutOfRange", "smtpd.timeout = 0",
     "f.toml:1:17: smtpd.timeout: 0 is out of range; write 1s to 1d"},
    {"RatioOutOfRange", "retry.jitter = 1.5",
     "f.toml:1:16: retry.jitter: 1.5 is out of range; write 0 to 0.9"},
    {"RatioNotANumber", "retry.jitter = nan",
     "f.toml:1:16: retry.jitter: nan is out of range; write 0 to 0.9"},
    {"DurationWithoutUnit", "smtpd.timeout = 30",
     "f.toml:1:17: smtpd.timeout: 30 has no unit; write \"30s\" for seconds, or ms, m, h, d"},
    {"NotADuration", "smtpd.timeout = '5 parsecs'",
     "f.toml:1:17: smtpd.timeout: '5 parsecs' is not a duration; write a whole number and a unit "
     "(ms, s, m, h, d), such as \"5m\""},
    {"NotASize", "queue.reserve = 'lots'",
     "f.toml:1:17: queue.reserve: 'lots' is not a size; write a whole number and a unit (KiB, MiB, "
     "GiB, TiB, kB, MB, GB, TB), such as \"64MiB\""},
    {"SizeTooLargeForAnyNumber", "queue.reserve = '99999999TiB'",
     "f.toml:1:17: queue.reserve: '99999999TiB' is not a size; write a whole number and a unit "
     "(KiB, MiB, GiB, TiB, kB, MB, GB, TB), such as \"64MiB\""},
    {"ChoiceWithATypo", "queue.backend = 'lmbd'",
     "f.toml:1:17: queue.backend: 'lmbd' is not one of iouring, lmdb, maildir, mirror; did you "
     "mean 'lmdb'?"},
    {"ChoiceThatIsNone", "queue.backend = 'postgres'",
     "f.toml:1:17: queue.backend: 'postgres' is not one of iouring, lmdb, maildir, mirror; write "
     "one "
     "of them, such as \"iouring\""},
    {"MirrorWithoutSides", "queue.backend = 'mirror'",
     "f.toml:1:17: queue.mirror.paths: a mirror needs two directories; write paths = "
     "[\"/disk1/brevdue\", \"/disk2/brevdue\"] below [queue.mirror]"},
    {"MirrorWithOneSide", "queue.backend = 'mirror'\nqueue.mirror.paths = ['/a']",
     "f.toml:2:22: queue.mirror.paths: a mirror has two sides, here are 1; name two directories on "
     "different disks"},
    {"MirrorOfARelativePath", "queue.backend = 'mirror'\nqueue.mirror.paths = ['/a', 'b']",
     "f.toml:2:29: queue.mirror.paths: 'b' is not an absolute path; begin it with '/'"},
    {"MirrorOfOneDirectory", "queue.mirror.paths = ['/a', '/a']",
     "f.toml:1:22: queue.mirror.paths: both sides are the same directory; name one on another "
     "disk"},
    {"MirrorOfMirrors", "queue.mirror.backend = 'mirror'",
     "f.toml:1:24: queue.mirror.backend: 'mirror' is not one of iouring, lmdb, maildir; write one "
     "of them, such as \"iouring\""},
    {"SmallestAboveLargest", "retry.delay_min = '2h'",
     "f.toml:1:19: retry.delay_min: retry.delay_min (\"2h\") is more than retry.delay_max "
     "(\"4000s\"); raise the one or lower the other"},
    {"LargestBelowSmallest", "[delivery]\nconcurrency_initial = 9\nconcurrency_max = 2",
     "f.toml:3:19: delivery.concurrency_max: delivery.concurrency_initial (9) is more than "
     "delivery.concurrency_max (2); raise the one or lower the other"},
};

const Mistake texts[] = {
    {"BadHostname", "hostname = 'mx_1.example.org'",
     "f.toml:1:12: hostname: 'mx_1.example.org' is not a host name; write one such as "
     "\"mx.example.org\""},
    {"RelativePath", "queue.path = 'spool'",
     "f.toml:1:14: queue.path: 'spool' is not an absolute path; begin it with '/'"},
    {"BadUser", "user.qmgr = 'Mail Man'",
     "f.toml:1:13: user.qmgr: 'Mail Man' is not a user name; use a-z, 0-9, '_' and '-', 32 "
     "characters at most"},
    {"BadNetwork", "mynetworks = ['10.0.0.0/8', '10.0.0/24']",
     "f.toml:1:29: mynetworks: '10.0.0/24' is not a network; write \"192.0.2.0/24\" or "
     "\"2001:db8::/32\""},
    {"BadPrefix", "mynetworks = ['10.0.0.0/33']",
     "f.toml:1:15: mynetworks: '10.0.0.0/33' has a bad prefix length; write 0 to 32"},
    {"HostBitsInNetwork", "mynetworks = ['10.1.2.3/8']",
     "f.toml:1:15: mynetworks: '10.1.2.3/8' has bits set behind its prefix; write "
     "\"10.0.0.0/8\""},
    {"BadRelayHost", "delivery.relay_host = 'smart host'",
     "f.toml:1:23: delivery.relay_host: 'smart host' names no valid host or address"},
    {"BadRelayPort", "delivery.relay_host = 'smart:smtp'",
     "f.toml:1:23: delivery.relay_host: 'smart:smtp' has a bad port; write a number up to 65535"},
    {"NamedDnsServer", "dns.servers = ['dns.example.org']",
     "f.toml:1:16: dns.servers: 'dns.example.org' is not a numeric address; write one such as "
     "\"127.0.0.1:53\""},
    {"BadLogTarget", "log.target = 'stdout'",
     "f.toml:1:14: log.target: 'stdout' is no log target; write \"stderr\", \"syslog\" or an "
     "absolute path"},
    {"BadLogIdent", "log.ident = 'a/b'",
     "f.toml:1:13: log.ident: 'a/b' is no log identity; use up to 32 letters and digits, as in "
     "\"brevdue\""},
    {"ListenerWithoutPort", "[[listen]]\naddress = '127.0.0.1'",
     "f.toml:2:11: listen.address: '127.0.0.1' has no port; write \"host:port\", and an IPv6 "
     "address as \"[2001:db8::1]:25\""},
    {"ListenerByName", "[[listen]]\naddress = 'localhost:25'",
     "f.toml:2:11: listen.address: 'localhost:25' is not a numeric address; write one such as "
     "\"127.0.0.1:25\""},
    {"ListenerTwice", "[[listen]]\naddress = '[::1]:25'\n[[listen]]\naddress = '[::1]:25'",
     "f.toml:4:11: listen.address: '[::1]:25' is already listened on; remove one of the two"},
    {"ListenerWithoutAddress", "[[listen]]\n",
     "f.toml:1:1: listen.address: a listener has no address; write address = \"127.0.0.1:25\" "
     "below "
     "[[listen]]"},
    {"ListenerAsSection", "[listen]\naddress = '[::1]:25'",
     "f.toml:1:1: listen: this is a table; write [[listen]] on a line of its own and address = "
     "\"127.0.0.1:25\" below it"},
    {"ListenerAsText", "listen = ['[::1]:25']",
     "f.toml:1:11: listen: an entry is a string; write [[listen]] on a line of its own and address "
     "= "
     "\"127.0.0.1:25\" below it"},
    {"NoListener", "listen = []",
     "f.toml:1:10: listen: no listener is left; write [[listen]] on a line of its own and address "
     "= "
     "\"127.0.0.1:25\" below it"},
    {"SocketPathTooLong",
     "control.socket = "
     "'/"
     "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012"
     "3"
     "456789012345678'",
     "f.toml:1:18: control.socket: "
     "'/"
     "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012"
     "3"
     "456789012345678' is too long for a socket; use 107 bytes at most"},
};

std::string name_of_case(const testing::TestParamInfo<Mistake>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Names, OneMistake, testing::ValuesIn(names), name_of_case);
INSTANTIATE_TEST_SUITE_P(Types, OneMistake, testing::ValuesIn(types), name_of_case);
INSTANTIATE_TEST_SUITE_P(Ranges, OneMistake, testing::ValuesIn(ranges), name_of_case);
INSTANTIATE_TEST_SUITE_P(Texts, OneMistake, testing::ValuesIn(texts), name_of_case);

TEST(Problems, AreAllReportedInOrderOfPosition) {
  EXPECT_THAT(
      problems_in("[smtpd]\nprocesses = 65\ntimout = '5m'\n[log]\nident = ''\n"),
      testing::ElementsAre(
          "f.toml:2:13: smtpd.processes: 65 is out of range; write 0 to 64",
          "f.toml:3:1: smtpd.timout: unknown setting 'smtpd.timout'; did you mean "
          "'smtpd.timeout'?",
          "f.toml:5:9: log.ident: '' is no log identity; use up to 32 letters and digits, as "
          "in \"brevdue\""));
}

TEST(Problems, TextThatIsNotTomlIsOneProblemAtItsPlace) {
  const auto loaded = parse("[queue]\npath = /var\n", "f.toml", machine);
  ASSERT_FALSE(loaded.has_value());
  ASSERT_EQ(loaded.error().size(), 1u);
  const std::string line = loaded.error().front().describe();
  EXPECT_THAT(line, testing::StartsWith("f.toml:2:8: this is not TOML: "));
}

TEST(Problems, ASettingGivenTwiceIsAProblem) {
  const auto lines = problems_in("[log]\nident = 'a'\nident = 'b'\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines.front(), testing::StartsWith("f.toml:3:"));
}

}  // namespace
}  // namespace brevdue::config

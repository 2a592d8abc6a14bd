#include "dns/resolver.h"

#include <set>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/dns/fake_dns_server.h"

namespace brevdue::dns {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class TestClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime{}; }
  SteadyTime steady() const override { return now; }
  SteadyTime now{1h};
};

class ResolverTest : public testing::Test {
 protected:
  void SetUp() override { open(); }

  void serve(std::string_view zone) {
    auto parsed = FakeZone::parse(zone);
    ASSERT_TRUE(parsed) << describe(parsed.error());
    server->set_zone(std::move(*parsed));
  }
  void open(ResolverOptions options = {}) {
    if (!server) {
      auto opened = FakeDnsServer::open(loop, FakeZone::parse("").value());
      ASSERT_TRUE(opened) << describe(opened.error());
      server = std::move(*opened);
    }
    if (options.channel.servers.empty()) options.channel.servers = {server->address()};
    options.channel.timeout = 60ms;
    options.channel.tries = 2;
    auto opened = Resolver::open(loop.get_executor(), options, clock, random);
    ASSERT_TRUE(opened) << describe(opened.error());
    resolver = std::move(*opened);
  }
  // Runs the loop until the coroutine ends; the server itself never lets it run dry.
  template <class T>
  T run(asio::awaitable<T> work) {
    std::optional<T> result;
    asio::co_spawn(loop, std::move(work), [&](std::exception_ptr thrown, T value) {
      EXPECT_FALSE(thrown);
      result = std::move(value);
    });
    while (!result) loop.run_one();
    return std::move(*result);
  }
  Resolution<ExchangeList> mx(std::string domain) { return run(resolver->resolve_mx(domain)); }
  ResolutionFailure failure(std::string domain) {
    const auto found = mx(domain);
    EXPECT_FALSE(found) << domain;
    return found ? ResolutionFailure{} : found.error();
  }

  asio::io_context loop;
  TestClock clock;
  std::mt19937_64 random{29};
  std::unique_ptr<FakeDnsServer> server;
  std::unique_ptr<Resolver> resolver;
};

TEST_F(ResolverTest, ExchangesInOrderWithTheirAddresses) {
  serve(R"(
    example.com  MX 20 b.example.com
    example.com  MX 10 a.example.com
    a.example.com A 192.0.2.1
    a.example.com AAAA 2001:db8::1
    b.example.com A 192.0.2.2
  )");
  const auto found = mx("Example.Com");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].host, "a.example.com");
  EXPECT_EQ((*found)[0].preference, 10);
  ASSERT_EQ((*found)[0].addresses.size(), 2U);
  EXPECT_EQ((*found)[0].addresses[0].to_string(), "2001:db8::1");
  EXPECT_EQ((*found)[1].addresses.at(0).to_string(), "192.0.2.2");
}

TEST_F(ResolverTest, EqualPreferencesAreShuffled) {
  serve(R"(
    $TTL 0
    example.com  MX 10 a.example.com
    example.com  MX 10 b.example.com
    a.example.com A 192.0.2.1
    b.example.com A 192.0.2.2
  )");
  std::set<std::string> firsts;
  for (int i = 0; i < 40; ++i) firsts.insert(mx("example.com").value().at(0).host);
  EXPECT_EQ(firsts.size(), 2U);
}

TEST_F(ResolverTest, NullMxIsPermanent) {
  serve("example.com MX 0 .");
  EXPECT_EQ(failure("example.com").code, 556);
  EXPECT_EQ(failure("example.com").enhanced, "5.1.10");
}

TEST_F(ResolverTest, WithoutMxTheDomainItself) {
  serve("example.com A 192.0.2.7");
  const auto found = mx("example.com");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->at(0).host, "example.com");
  EXPECT_EQ(found->at(0).addresses.at(0).to_string(), "192.0.2.7");
}

TEST_F(ResolverTest, NoSuchDomainIsPermanent) {
  serve("other.example A 192.0.2.7");
  EXPECT_EQ(failure("example.com").enhanced, "5.1.2");
  EXPECT_TRUE(failure("example.com").permanent());
}

TEST_F(ResolverTest, ExchangesWithoutAddressesArePermanent) {
  serve("example.com MX 10 nowhere.example");
  EXPECT_EQ(failure("example.com").enhanced, "5.4.4");
}

TEST_F(ResolverTest, OneExchangeWithAnAddressIsEnough) {
  serve(R"(
    example.com  MX 10 slow.example
    example.com  MX 20 b.example
    slow.example ! timeout
    b.example    A 192.0.2.2
  )");
  const auto found = mx("example.com");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at(0).host, "b.example");
}

TEST_F(ResolverTest, ExchangeThatCannotBeLookedUpIsTemporary) {
  serve(R"(
    example.com  MX 10 slow.example
    example.com  MX 20 nowhere.example
    slow.example ! servfail
  )");
  EXPECT_EQ(failure("example.com").enhanced, "4.4.3");
}

TEST_F(ResolverTest, WhateverMayPassIsTemporary) {
  for (const char* behaviour :
       {"timeout", "servfail", "refused", "wrong-id", "wrong-question", "nonsense", "cut"}) {
    serve(std::string("example.com MX 10 a.example\nexample.com ! ") + behaviour);
    const auto why = failure("example.com");
    EXPECT_EQ(why.code, 451) << behaviour;
    EXPECT_EQ(why.enhanced, "4.4.3") << behaviour;
  }
  EXPECT_EQ(resolver->cached(), 0U);
}

TEST_F(ResolverTest, TruncatedAnswersComeByTcp) {
  std::string zone = "example.com ! truncate\nmx.example.com A 192.0.2.1\n";
  for (int i = 0; i < 60; ++i) zone += fmt::format("example.com MX {} mx.example.com\n", i);
  serve(zone);
  const auto found = mx("example.com");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at(0).addresses.size(), 1U);
  EXPECT_EQ(server->asked_by_tcp(), 1U);
}

TEST_F(ResolverTest, AliasesAreFollowedByTheServerOrByUs) {
  for (const char* behaviour : {"", "alias.example ! no-chase\nsecond.example ! no-chase\n"}) {
    open();
    serve(std::string(behaviour) + R"(
      alias.example   CNAME second.example
      second.example  CNAME example.com
      example.com     MX 10 mx.example.com
      mx.example.com  A 192.0.2.1
    )");
    const auto found = mx("alias.example");
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_EQ(found->at(0).host, "mx.example.com");
  }
}

TEST_F(ResolverTest, CircularAliasesEnd) {
  for (const char* behaviour : {"", "a.example ! no-chase\nb.example ! no-chase\n"}) {
    open();
    serve(std::string(behaviour) + "a.example CNAME b.example\nb.example CNAME a.example\n");
    EXPECT_EQ(failure("a.example").enhanced, "4.4.3");
  }
  EXPECT_LE(server->questions(), 20U);
}

TEST_F(ResolverTest, AddressLiterals) {
  EXPECT_EQ(mx("[192.0.2.1]").value().at(0).addresses.at(0).to_string(), "192.0.2.1");
  EXPECT_EQ(mx("[IPv6:2001:db8::1]").value().at(0).host, "2001:db8::1");
  EXPECT_EQ(failure("[bad]").enhanced, "5.1.2");
  EXPECT_EQ(failure("bad domain").enhanced, "5.1.2");
  EXPECT_EQ(server->questions(), 0U);
}

TEST_F(ResolverTest, InternationalizedDomain) {
  serve("xn--bcher-kva.example A 192.0.2.1");
  EXPECT_TRUE(
      mx("b\xc3\xbc"
         "cher.example"));
}

TEST_F(ResolverTest, RemembersForTheTtl) {
  serve(R"(
    $TTL 120
    example.com    MX 10 mx.example.com
    mx.example.com A 192.0.2.1
  )");
  EXPECT_TRUE(mx("example.com"));
  EXPECT_TRUE(mx("example.com"));
  EXPECT_EQ(server->asked("example.com"), 1U);
  clock.now += 121s;
  EXPECT_TRUE(mx("example.com"));
  EXPECT_EQ(server->asked("example.com"), 2U);
}

TEST_F(ResolverTest, RemembersAbsence) {
  EXPECT_EQ(failure("example.com").enhanced, "5.1.2");
  EXPECT_EQ(failure("example.com").enhanced, "5.1.2");
  EXPECT_EQ(server->asked("example.com"), 1U);
  clock.now += 61s;
  EXPECT_EQ(failure("example.com").enhanced, "5.1.2");
  EXPECT_EQ(server->asked("example.com"), 2U);
}

TEST_F(ResolverTest, QuestionsUnderWayAreShared) {
  serve(R"(
    example.com    MX 10 mx.example.com
    example.com    ! delay 20
    mx.example.com A 192.0.2.1
  )");
  int done = 0;
  for (int i = 0; i < 50; ++i) {
    asio::co_spawn(loop, resolver->resolve_mx("example.com"),
                   [&](std::exception_ptr thrown, Resolution<ExchangeList> found) {
                     EXPECT_FALSE(thrown);
                     EXPECT_TRUE(found);
                     ++done;
                   });
  }
  while (done < 50) loop.run_one();
  EXPECT_EQ(server->asked("example.com"), 1U);
  EXPECT_EQ(server->asked("mx.example.com"), 2U);
}

TEST_F(ResolverTest, ManyQuestionsAtOnce) {
  std::string zone;
  for (int i = 0; i < 500; ++i) zone += fmt::format("d{}.example A 192.0.2.1\n", i);
  serve(zone);
  int done = 0;
  int good = 0;
  for (int i = 0; i < 500; ++i) {
    asio::co_spawn(loop, resolver->resolve_mx(fmt::format("d{}.example", i)),
                   [&](std::exception_ptr, Resolution<ExchangeList> found) {
                     ++done;
                     if (found) ++good;
                   });
  }
  while (done < 500) loop.run_one();
  EXPECT_EQ(good, 500);
}

TEST_F(ResolverTest, PreferenceForOneFamilyAsksForThatOnly) {
  ResolverOptions options;
  options.preference = AddressPreference::ipv4_only;
  open(options);
  serve("example.com A 192.0.2.1\nexample.com AAAA 2001:db8::1");
  EXPECT_EQ(mx("example.com").value().at(0).addresses.size(), 1U);
  EXPECT_EQ(server->asked("example.com"), 2U);  // MX and A
}

TEST_F(ResolverTest, HostWithoutMxLookup) {
  serve("relay.example A 192.0.2.1\nrelay.example MX 10 other.example");
  EXPECT_EQ(run(resolver->resolve_host("relay.example")).value().addresses.size(), 1U);
  EXPECT_EQ(run(resolver->resolve_host("127.0.0.1")).value().addresses.size(), 1U);
  EXPECT_EQ(run(resolver->resolve_host("::1")).value().host, "::1");
  EXPECT_FALSE(run(resolver->resolve_host("nowhere.example")));
}

TEST_F(ResolverTest, ASecondServerAnswersForABrokenFirst) {
  auto broken = FakeDnsServer::open(
      loop, FakeZone::parse("example.com ! servfail\nmx.example ! servfail").value());
  ASSERT_TRUE(broken);
  ResolverOptions options;
  options.channel.servers = {(*broken)->address(), server->address()};
  open(options);
  serve("example.com MX 10 mx.example\nmx.example A 192.0.2.1");
  const auto found = mx("example.com");
  EXPECT_TRUE(found);
  EXPECT_GE((*broken)->questions(), 1U);
}

TEST_F(ResolverTest, NobodyAtTheServersPort) {
  ResolverOptions options;
  options.channel.servers = {server->address()};
  open(options);
  server.reset();
  EXPECT_EQ(failure("example.com").enhanced, "4.4.3");
}

TEST_F(ResolverTest, CancelledCoroutineEndsAtOnce) {
  serve("example.com ! timeout");
  asio::cancellation_signal cancel;
  std::optional<Resolution<ExchangeList>> result;
  asio::co_spawn(loop, resolver->resolve_mx("example.com"),
                 asio::bind_cancellation_slot(
                     cancel.slot(), [&](std::exception_ptr thrown, Resolution<ExchangeList> found) {
                       EXPECT_FALSE(thrown);
                       result = std::move(found);
                     }));
  while (server->questions() == 0) loop.run_one();
  cancel.emit(asio::cancellation_type::terminal);
  while (!result) loop.run_one();
  ASSERT_FALSE(*result);
  EXPECT_FALSE(result->error().permanent());
  EXPECT_EQ(server->questions(), 1U);
}

TEST_F(ResolverTest, DestroyedWithQuestionsUnderWay) {
  serve("example.com ! timeout");
  auto channel = QueryChannel::open(loop.get_executor(), {.servers = {server->address()}}).value();
  int answers = 0;
  channel->send("example.com", RecordType::mx, [&](Result<std::string_view> raw) {
    ++answers;
    EXPECT_EQ(raw.error().code, ErrorCode::cancelled);
  });
  while (server->questions() == 0) loop.run_one();
  channel.reset();
  while (answers == 0) loop.run_one();
  resolver.reset();
  loop.poll();
  EXPECT_EQ(answers, 1);
}

TEST_F(ResolverTest, BadServersAreRefused) {
  for (const char* bad : {"localhost", "127.0.0.1:x", "127.0.0.1:", "[::1", "1.2.3.4:1234567"}) {
    ResolverOptions options;
    options.channel.servers = {bad};
    EXPECT_FALSE(Resolver::open(loop.get_executor(), options, clock, random)) << bad;
  }
}

}  // namespace
}  // namespace brevdue::dns

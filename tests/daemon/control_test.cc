// The control socket: a real one, asked by a bare channel.
#include <chrono>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/control_server.h"
#include "daemon/listeners.h"
#include "ipc/control_frames.h"
#include "ipc/queue_entry.h"
#include "ipc/verify_progress.h"
#include "tests/daemon/dispatcher_rig.h"
#include "tests/support/one_directory_spool.h"

namespace brevdue::tests {
namespace {

using ipc::ControlFrame;
using ipc::ControlRequest;
using ipc::ControlVerb;
using mail::RecipientStatus;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;
using testing::UnorderedElementsAre;

struct Answer {
  std::vector<ipc::QueueEntry> entries;
  std::vector<std::string> lines;
  std::string content;
  std::vector<ipc::VerifyProgress> progress;
  std::optional<ipc::ControlDone> done;
  int dones = 0;
  bool closed = false;
};

ControlRequest for_all(ControlVerb verb) {
  ControlRequest request;
  request.verb = verb;
  request.all = true;
  return request;
}

ControlRequest for_ids(ControlVerb verb, std::vector<mail::QueueId> ids) {
  ControlRequest request;
  request.verb = verb;
  request.ids = std::move(ids);
  return request;
}

ControlRequest list_of(const std::string& destination, const std::string& reverse_path) {
  ControlRequest request;
  request.destination = destination;
  request.reverse_path = reverse_path;
  return request;
}

class Control : public OnDiskAndInMemory {
 protected:
  Control() {
    spool.sides = spool_in(files, spool_directory.path()).value();
    auto bound = daemon::bind_control_socket(path, ::getuid(), ::getgid());
    if (!bound) throw std::runtime_error("control socket");
    server = std::make_unique<daemon::ControlServer>(
        rig.loop, rig.events, std::move(*bound), *rig.queue, *rig.dispatcher, rig.log.log(), spool);
  }
  ~Control() override { server.reset(); }

  UniqueFd connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("connect");
    }
    return socket;
  }

  // Until qmgr has closed: everything that it said is in the answer.
  Answer ask(const ControlRequest& request) {
    Answer answer;
    ipc::Channel channel(rig.loop, connect());
    channel.start(
        [&](std::uint8_t type, std::string_view payload, UniqueFd) {
          switch (static_cast<ControlFrame>(type)) {
            case ControlFrame::entry:
              answer.entries.push_back(ipc::decode_queue_entry(payload).value());
              break;
            case ControlFrame::line:
              answer.lines.emplace_back(payload);
              break;
            case ControlFrame::content:
              answer.content += payload;
              break;
            case ControlFrame::done:
              answer.done = ipc::decode_control_done(payload).value();
              ++answer.dones;
              break;
            case ControlFrame::progress:
              answer.progress.push_back(ipc::decode_verify_progress(payload).value());
              break;
            case ControlFrame::side:
            case ControlFrame::request:
              ADD_FAILURE() << "qmgr asks for nothing";
          }
        },
        [&](const Error&) { answer.closed = true; });
    channel.send(static_cast<std::uint8_t>(ControlFrame::request), encode(request));
    EXPECT_TRUE(rig.run_until_so([&] { return answer.closed; }));
    EXPECT_LE(answer.dones, 1);
    return answer;
  }

  DispatcherRig rig{DispatcherRig::default_options(), GetParam()};
  TemporaryDirectory directory;
  RealFileSystem files;
  TemporaryDirectory spool_directory;
  daemon::Spool spool;
  const std::string path = directory.path_of("control");
  std::unique_ptr<daemon::ControlServer> server;
};

TEST_P(Control, ListsAllInTheOrderOfTheirIds) {
  std::vector<mail::QueueId> ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(rig.enqueue({"1@b.example"}));
  const Answer answer = ask(for_all(ControlVerb::list));
  ASSERT_THAT(answer.entries, SizeIs(1000));
  for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(answer.entries[i].id, ids[i]);
  EXPECT_EQ(answer.done->matched, 1000u);
}

TEST_P(Control, ChangesOfManyShareTheirCommits) {
  for (int i = 0; i < 1000; ++i) rig.enqueue({"1@b.example"});
  rig.tap.batches.clear();
  const Answer answer = ask(for_all(ControlVerb::hold));
  EXPECT_EQ(answer.done->matched, 1000u);
  // How many depends on how fast the store is beside the reading.
  EXPECT_LE(rig.tap.batches.size(), 200u);
  const std::lock_guard lock(rig.disk.mutex);
  for (const auto& [id, message] : rig.disk.messages) EXPECT_TRUE(message.state.held);
}

TEST_P(Control, IdsAreNarrowedNotWidened) {
  const mail::QueueId first = rig.enqueue({"1@b.example"});
  const mail::QueueId second = rig.enqueue({"1@b.example"});
  const mail::QueueId third = rig.enqueue({"1@c.example"});
  ControlRequest request = for_ids(ControlVerb::discard, {first, third});
  request.destination = "b.example";
  const Answer answer = ask(request);
  EXPECT_EQ(answer.done->matched, 1u);
  EXPECT_FALSE(rig.on_disk(first));
  EXPECT_TRUE(rig.on_disk(second));
  EXPECT_TRUE(rig.on_disk(third));
}

TEST_P(Control, NothingNamedIsNothingDone) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  EXPECT_EQ(ask(for_ids(ControlVerb::discard, {})).done->matched, 0u);
  EXPECT_TRUE(rig.on_disk(id));
}

TEST_P(Control, SelectsByDestinationAndSender) {
  rig.enqueue({"1@b.example"}, "one@a.example");
  rig.enqueue({"1@c.example", "2@B.example"}, "");
  rig.enqueue({"1@c.example"}, "one@a.example");
  EXPECT_THAT(ask(list_of("B.Example", "")).entries, SizeIs(2));
  EXPECT_THAT(ask(list_of("", "<>")).entries, SizeIs(1));
  EXPECT_THAT(ask(list_of("b.example", "one@a.example")).entries, SizeIs(1));
}

TEST_P(Control, UnknownIdsAreNamed) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  const mail::QueueId unknown(id.value() + 1);
  const Answer answer = ask(for_ids(ControlVerb::hold, {unknown, id}));
  EXPECT_EQ(answer.done->matched, 1u);
  ASSERT_THAT(answer.lines, SizeIs(1));
  EXPECT_THAT(answer.lines[0], HasSubstr(unknown.text()));
}

TEST_P(Control, ARefusedChangeDoesNotCount) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  EXPECT_EQ(ask(for_ids(ControlVerb::hold, {id})).done->matched, 1u);
  const Answer answer = ask(for_ids(ControlVerb::retry, {id, id}));
  EXPECT_EQ(answer.done->matched, 0u);
  EXPECT_THAT(answer.lines, SizeIs(2));
}

TEST_P(Control, ShowsTheContent) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  const Answer answer = ask(for_ids(ControlVerb::show, {id}));
  ASSERT_THAT(answer.entries, SizeIs(1));
  EXPECT_THAT(answer.content, HasSubstr("Hello."));
}

TEST_P(Control, BouncesAllAtOnce) {
  for (int i = 0; i < 600; ++i) rig.enqueue({"1@b.example"}, "s@a.example");
  const Answer answer = ask(for_all(ControlVerb::bounce));
  EXPECT_EQ(answer.done->matched, 600u);
  EXPECT_THAT(rig.notices_on_disk(), SizeIs(600));
}

TEST_P(Control, AClientThatReadsNothingHoldsNobodyUp) {
  std::vector<mail::QueueId> ids;
  for (int i = 0; i < 3000; ++i) ids.push_back(rig.enqueue({"1@b.example"}));
  UniqueFd deaf = connect();
  const std::string request = encode(for_all(ControlVerb::list));
  std::string frame(6, '\0');
  frame[0] = static_cast<char>(request.size());
  frame[4] = static_cast<char>(ControlFrame::request);
  ASSERT_EQ(::send(deaf.get(), (frame + request).data(), frame.size() + request.size(), 0),
            static_cast<ssize_t>(frame.size() + request.size()));
  rig.run_all();
  EXPECT_THAT(ask(for_all(ControlVerb::list)).entries, SizeIs(3000));
}

TEST_P(Control, ABrokenRequestClosesTheConnection) {
  bool closed = false;
  ipc::Channel channel(rig.loop, connect());
  channel.start([](std::uint8_t, std::string_view, UniqueFd) {},
                [&](const Error&) { closed = true; });
  channel.send(static_cast<std::uint8_t>(ControlFrame::request), "no request");
  EXPECT_TRUE(rig.run_until_so([&] { return closed; }));
}

TEST_P(Control, AClientThatGoesEndsItsRequest) {
  for (int i = 0; i < 2000; ++i) rig.enqueue({"1@b.example"});
  {
    ipc::Channel channel(rig.loop, connect());
    bool heard = false;
    channel.start([&](std::uint8_t, std::string_view, UniqueFd) { heard = true; },
                  [](const Error&) {});
    channel.send(static_cast<std::uint8_t>(ControlFrame::request),
                 encode(for_all(ControlVerb::list)));
    ASSERT_TRUE(rig.run_until_so([&] { return heard; }));
  }
  rig.run_all();
  EXPECT_THAT(ask(for_all(ControlVerb::list)).entries, SizeIs(2000));
}

TEST_P(Control, MoreThanCanBeServedWaitTheirTurn) {
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 64; ++i) silent.push_back(connect());
  rig.run_all();
  bool closed = false;
  std::optional<ipc::ControlDone> done;
  ipc::Channel channel(rig.loop, connect());
  channel.start(
      [&](std::uint8_t type, std::string_view payload, UniqueFd) {
        if (static_cast<ControlFrame>(type) == ControlFrame::done) {
          done = ipc::decode_control_done(payload).value();
        }
      },
      [&](const Error&) { closed = true; });
  channel.send(static_cast<std::uint8_t>(ControlFrame::request),
               encode(for_all(ControlVerb::list)));
  rig.run_all();
  EXPECT_FALSE(done || closed);
  silent.clear();
  EXPECT_TRUE(rig.run_until_so([&] { return done.has_value(); }));
}

TEST_P(Control, FlushMeansTheDomainAlsoBehindARelayHost) {
  auto options = DispatcherRig::default_options();
  options.relay_host = "relay.example:25";
  rig.dispatcher->configure(options);
  FakeDelivery& relay = rig.attach();
  const mail::QueueId b = rig.enqueue({"1@b.example"});
  const mail::QueueId c = rig.enqueue({"1@c.example"});
  const mail::QueueId held = rig.enqueue({"2@c.example"});
  ASSERT_TRUE(rig.run_until_so([&] { return relay.jobs.size() == 3; }));
  for (std::size_t i = 0; i < 3; ++i) relay.answer(i, RecipientStatus::deferred, "451 later");
  for (const mail::QueueId id : {b, c, held}) {
    ASSERT_TRUE(rig.run_until_so([&] { return rig.state_on_disk(id).attempts == 1; }));
  }
  EXPECT_EQ(ask(for_ids(ControlVerb::hold, {held})).done->matched, 1u);
  ControlRequest flush;
  flush.verb = ControlVerb::flush;
  flush.destination = "c.example";
  const Answer answer = ask(flush);
  EXPECT_EQ(answer.done->matched, 1u);
  EXPECT_THAT(answer.lines, SizeIs(0));
  ASSERT_TRUE(rig.run_until_so([&] { return relay.jobs.size() == 4; }));
  EXPECT_EQ(relay.jobs[3].envelope.id, c);
}

TEST_P(Control, VerifyOfWhatIsWholeIsAllGood) {
  for (int i = 0; i < 300; ++i) rig.enqueue({"1@b.example"});
  const Answer answer = ask(for_all(ControlVerb::verify));
  EXPECT_THAT(answer.lines, IsEmpty());
  ASSERT_TRUE(answer.done);
  EXPECT_FALSE(answer.done->failed);
  EXPECT_EQ(answer.done->matched, 300u);
  ASSERT_FALSE(answer.progress.empty());
  const ipc::VerifyProgress& last = answer.progress.back();
  EXPECT_EQ(last.messages, 300u);
  EXPECT_EQ(last.total, 300u);
  EXPECT_EQ(last.damaged, 0u);
  EXPECT_GT(last.bytes, 0u);
}

TEST_P(Control, VerifySaysEachDamageInALineAndInTheLog) {
  const mail::QueueId id = rig.enqueue({"1@b.example"});
  rig.tap.refusal = ErrorCode::corrupt;
  rig.tap.refuse_reads = true;
  const Answer answer = ask(for_all(ControlVerb::verify));
  rig.tap.refuse_reads = false;
  ASSERT_THAT(answer.lines, SizeIs(2));
  EXPECT_THAT(answer.lines[0], HasSubstr(id.text() + ": envelope damaged: "));
  EXPECT_THAT(answer.lines[1], HasSubstr(id.text() + ": content damaged: "));
  EXPECT_THAT(answer.lines[1], HasSubstr("brevdue queue bounce " + id.text()));
  EXPECT_EQ(answer.progress.back().damaged, 2u);
  EXPECT_FALSE(answer.done->failed);
  EXPECT_THAT(rig.log.text(), HasSubstr("verify: " + answer.lines[0]));
}

TEST_P(Control, VerifyOfARecordThatVanishedIsDamageAndOfOneThatLeftIsNot) {
  const mail::QueueId vanished = rig.enqueue({"1@b.example"});
  const mail::QueueId leaves = rig.enqueue({"1@b.example"});
  {
    const std::lock_guard lock(rig.disk.mutex);
    rig.disk.messages.erase(vanished);
  }
  rig.queue->discard(leaves, {}, [](const Result<void>&) {});
  const Answer answer = ask(for_all(ControlVerb::verify));
  ASSERT_THAT(answer.lines, SizeIs(1));
  EXPECT_THAT(answer.lines[0], HasSubstr(vanished.text() + ": missing"));
  EXPECT_EQ(answer.progress.back().damaged, 1u);
}

TEST_P(Control, VerifyThatCannotReadTheStoreSaysThatItDidNotEnd) {
  rig.enqueue({"1@b.example"});
  rig.tap.refusal = ErrorCode::unavailable;
  rig.tap.refuse_reads = true;
  const Answer answer = ask(for_all(ControlVerb::verify));
  rig.tap.refuse_reads = false;
  ASSERT_TRUE(answer.done);
  EXPECT_TRUE(answer.done->failed);
  EXPECT_THAT(answer.lines, IsEmpty());
}

TEST_P(Control, VerifyKeepsToItsRate) {
  for (int i = 0; i < 200; ++i) rig.enqueue({"1@b.example"});
  const Answer free = ask(for_all(ControlVerb::verify));
  ControlRequest request = for_all(ControlVerb::verify);
  request.rate = free.progress.back().bytes * 2;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(ask(request).progress.back().messages, 200u);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(400));
}

TEST_P(Control, VerifyMentionsFilesThatNobodyNeeds) {
  std::filesystem::create_directories(spool_directory.path_of("staged"));
  std::filesystem::create_directories(spool_directory.path_of("quarantine"));
  const mail::QueueId queued = rig.enqueue({"1@b.example"});
  for (const std::string& name : {"staged/fresh", "staged/old", "quarantine/set-aside"}) {
    spool_directory.write(name, "x");
  }
  spool_directory.write("staged/" + queued.text(), "x");
  const auto then = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  std::filesystem::last_write_time(spool_directory.path_of("staged/old"), then);
  std::filesystem::last_write_time(spool_directory.path_of("staged/" + queued.text()), then);
  const Answer answer = ask(for_all(ControlVerb::verify));
  EXPECT_THAT(answer.lines, UnorderedElementsAre(StartsWith("note: staged/old "),
                                                 StartsWith("note: quarantine/set-aside ")));
  EXPECT_EQ(answer.progress.back().notes, 2u);
  EXPECT_EQ(answer.progress.back().damaged, 0u);
}

TEST_P(Control, VerifyStopsWhenItsClientGoes) {
  for (int i = 0; i < 100; ++i) rig.enqueue({"1@b.example"});
  rig.tap.refuse_reads = true;  // counts reads
  rig.tap.refusal = ErrorCode::corrupt;
  ControlRequest request = for_all(ControlVerb::verify);
  request.rate = 1;
  {
    ipc::Channel channel(rig.loop, connect());
    channel.start([](std::uint8_t, std::string_view, UniqueFd) {}, [](const Error&) {});
    channel.send(static_cast<std::uint8_t>(ControlFrame::request), encode(request));
    ASSERT_TRUE(rig.run_until_so([&] { return rig.tap.reads_refused > 0; }));
  }
  rig.run_all();
  const int reads = rig.tap.reads_refused;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  rig.run_until_so([&] { return std::chrono::steady_clock::now() > end; });
  EXPECT_EQ(rig.tap.reads_refused, reads);
  rig.tap.refuse_reads = false;
}

INSTANTIATE_TEST_SUITE_P(Messages, Control, OnDiskAndInMemory::both(), OnDiskAndInMemory::name);

}  // namespace
}  // namespace brevdue::tests

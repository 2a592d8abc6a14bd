// The client against the sink over loopback, each as its program runs it, compared by their books.
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/load/book_comparison.h"
#include "bench/load/book_file.h"
#include "bench/load/load_run.h"
#include "bench/load/sink_server.h"

namespace brevdue::load {
namespace {

namespace fs = std::filesystem;

class EndToEnd : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "load-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    sink_options_.book = (directory_ / "sink").string();
    load_options_.book = (directory_ / "client").string();
    load_options_.connections = 5;
    load_options_.messages = 200;
    load_options_.timeout = std::chrono::seconds(1);
  }
  void TearDown() override {
    stop_sink();
    fs::remove_all(directory_);
  }

  void start_sink() {
    server_ = std::make_unique<SinkServer>(sink_options_);
    const auto opened = server_->open();
    ASSERT_TRUE(opened.has_value()) << describe(opened.error());
    load_options_.to = server_->address().text();
    thread_ = std::thread([this] { EXPECT_TRUE(server_->run().has_value()); });
  }
  void stop_sink() {
    if (!thread_.joinable()) return;
    server_->loop().stop();
    thread_.join();
  }

  LoadReport send() {
    LoadRun run(load_options_);
    const auto opened = run.open();
    EXPECT_TRUE(opened.has_value());
    auto report = run.execute();
    EXPECT_TRUE(report.has_value());
    return report.value_or(LoadReport{});
  }

  Comparison compare(const ComparisonOptions& options = {}) {
    stop_sink();
    std::vector<ClientEntry> client;
    std::vector<SinkEntry> sink;
    EXPECT_TRUE(for_each_line(load_options_.book, [&](std::string_view line) -> Result<void> {
                  auto entry = parse_client_line(line);
                  if (!entry) return propagate(entry.error());
                  client.push_back(*entry);
                  return {};
                }).has_value());
    EXPECT_TRUE(for_each_line(sink_options_.book, [&](std::string_view line) -> Result<void> {
                  auto entry = parse_sink_line(line);
                  if (!entry) return propagate(entry.error());
                  sink.push_back(*entry);
                  return {};
                }).has_value());
    auto result = compare_books(client, sink, options);
    EXPECT_TRUE(result.has_value());
    return result.value_or(Comparison{});
  }

  Fault fault(Action action, Stage stage, double share, int code = 450) {
    Fault made;
    made.action = action;
    made.stage = stage;
    made.share = share;
    made.code = code;
    return made;
  }

  fs::path directory_;
  SinkOptions sink_options_;
  LoadOptions load_options_;
  std::unique_ptr<SinkServer> server_;
  std::thread thread_;
};

TEST_F(EndToEnd, DeliversAllOnce) {
  start_sink();
  load_options_.recipients = 3;
  load_options_.domain_count = 4;
  load_options_.smallest = 400;
  load_options_.largest = 300'000;
  const LoadReport report = send();
  EXPECT_EQ(report.accepted, 200U);
  EXPECT_EQ(report.connected, 5U);
  EXPECT_EQ(report.latency.count(), 200U);
  const Comparison books = compare();
  EXPECT_TRUE(books.sound({}));
  EXPECT_EQ(books.accepted, 600U);
  EXPECT_EQ(books.arrivals, 600U);
}

TEST_F(EndToEnd, PipelinesWhereOfferedAndQuitsWhenTold) {
  start_sink();
  load_options_.pipelining = true;
  load_options_.messages_per_connection = 10;
  const LoadReport report = send();
  EXPECT_EQ(report.accepted, 200U);
  EXPECT_GE(report.connected, 20U);
  EXPECT_EQ(report.lost_connections, 0U);
  EXPECT_TRUE(compare().sound({}));
}

TEST_F(EndToEnd, BooksRefusalsOfEveryStage) {
  for (const Stage stage : {Stage::mail, Stage::rcpt, Stage::data, Stage::dot}) {
    sink_options_.faults.push_back(fault(Action::reply, stage, 0.1));
    sink_options_.faults.push_back(fault(Action::reply, stage, 0.1, 550));
  }
  for (const bool pipelining : {false, true}) {
    stop_sink();
    start_sink();
    load_options_.recipients = 2;
    load_options_.pipelining = pipelining;
    const LoadReport report = send();
    EXPECT_GT(report.tempfail, 0U);
    EXPECT_GT(report.permfail, 0U);
    EXPECT_GT(report.accepted, 0U);
    EXPECT_EQ(report.messages(), 200U);
  }
  EXPECT_TRUE(compare().sound({}));
}

TEST_F(EndToEnd, SendsAgainUnderANewKeyUntilAllAreAccepted) {
  sink_options_.faults = {fault(Action::reply, Stage::dot, 0.3),
                          fault(Action::reply, Stage::rcpt, 0.1),
                          fault(Action::close, Stage::mail, 0.05)};
  start_sink();
  load_options_.retry = true;
  const LoadReport report = send();
  EXPECT_EQ(report.accepted, 200U);
  EXPECT_GT(report.tempfail, 0U);
  EXPECT_GT(report.lost_connections, 0U);
  EXPECT_TRUE(compare().sound({}));
}

TEST_F(EndToEnd, GoesOnThroughLostConnectionsAndBooksWhatIsUnknown) {
  sink_options_.faults = {
      fault(Action::close, Stage::kept, 0.05), fault(Action::reset, Stage::dot, 0.05),
      fault(Action::reset, Stage::body, 0.05), fault(Action::close, Stage::connect, 0.1)};
  start_sink();
  load_options_.largest = 100'000;
  const LoadReport report = send();
  EXPECT_EQ(report.messages(), 200U);
  EXPECT_GT(report.unknown, 0U);
  EXPECT_GT(report.lost_connections, 0U);
  const Comparison books = compare();
  EXPECT_TRUE(books.sound({}));
  EXPECT_GT(books.arrived_unknown, 0U);
}

TEST_F(EndToEnd, SurvivesEveryLie) {
  for (const Stage stage :
       {Stage::connect, Stage::ehlo, Stage::mail, Stage::rcpt, Stage::data, Stage::dot}) {
    sink_options_.faults.push_back(fault(Action::lie, stage, 0.05));
  }
  start_sink();
  load_options_.messages = 100;
  const LoadReport report = send();
  EXPECT_EQ(report.messages(), 100U);
  EXPECT_GT(report.accepted, 0U);
  EXPECT_EQ(compare().altered, 0U);
}

TEST_F(EndToEnd, GivesUpWhenNobodyListens) {
  start_sink();
  stop_sink();
  server_.reset();
  load_options_.give_up = std::chrono::seconds(1);
  const LoadReport report = send();
  EXPECT_TRUE(report.gave_up);
  EXPECT_EQ(report.messages(), 0U) << "no key is spent on a connection that was refused";
  EXPECT_GT(report.refused_connections, 0U);
}

TEST_F(EndToEnd, PacesItself) {
  start_sink();
  load_options_.messages = 20;
  load_options_.rate = 100;
  const LoadReport report = send();
  EXPECT_EQ(report.accepted, 20U);
  EXPECT_GE(report.seconds, 0.19)
      << "the twentieth may start 190 ms after the first at the earliest";
}

TEST_F(EndToEnd, EndsByTimeWithAFinishedBook) {
  start_sink();
  load_options_.messages = 0;
  load_options_.seconds = 0.2;
  const LoadReport report = send();
  EXPECT_GT(report.accepted, 0U);
  EXPECT_TRUE(compare().sound({}));
}

std::string ask_control(const std::string& path, std::string_view command) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return "no connection";
  }
  const std::string line = std::string(command) + "\n";
  if (::send(fd.get(), line.data(), line.size(), 0) < 0) return "not sent";
  std::string answer;
  char buffer[512];
  while (!answer.ends_with('\n')) {
    const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return "no answer";
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

TEST_F(EndToEnd, IsAskedAndToldThroughTheControlSocket) {
  sink_options_.control = (directory_ / "control").string();
  sink_options_.faults = {fault(Action::reply, Stage::dot, 1, 550)};
  start_sink();
  load_options_.messages = 10;
  EXPECT_EQ(send().permfail, 10U);
  EXPECT_EQ(ask_control(sink_options_.control, "faults off"), "ok\n");
  EXPECT_EQ(send().accepted, 10U);
  EXPECT_NE(ask_control(sink_options_.control, "stats").find("\"messages\":10,"),
            std::string::npos);
  EXPECT_TRUE(ask_control(sink_options_.control, "dance").starts_with("error: "));
  EXPECT_EQ(ask_control(sink_options_.control, "quit"), "ok\n");
  thread_.join();
  EXPECT_TRUE(compare().sound({}));
}

TEST_F(EndToEnd, EndsAfterTheNumberOfMessagesAskedFor) {
  sink_options_.until = 50;
  load_options_.messages = 50;
  start_sink();
  send();
  thread_.join();
  EXPECT_EQ(server_->counters().messages, 50U);
}

}  // namespace
}  // namespace brevdue::load

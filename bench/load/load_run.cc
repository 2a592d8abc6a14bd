#include "bench/load/load_run.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "bench/load/load_connection.h"

namespace brevdue::load {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds stop_patience{5};

Clock::duration seconds(double value) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(value));
}

}  // namespace

LoadRun::LoadRun(LoadOptions options)
    : options_(std::move(options)), run_(random_run()), random_(run_) {}

LoadRun::~LoadRun() = default;

Result<void> LoadRun::open() {
  auto server = SocketAddress::resolve(options_.to);
  if (!server) return propagate(std::move(server.error()));
  server_ = *server;
  if (auto opened = book_.open(options_.book); !opened) return opened;
  return loop_.open();
}

Result<LoadReport> LoadRun::execute() {
  start_ = last_answer_ = last_result_ = Clock::now();
  next_sweep_ = start_ + std::chrono::seconds(1);
  arm_timer(start_);
  for (unsigned i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<LoadConnection>(*this));
  }
  for (auto& connection : connections_) connection->connect();
  if (auto ran = loop_.run([this] { return end_of_round(); }); !ran) {
    return propagate(std::move(ran.error()));
  }
  report_.seconds = std::chrono::duration<double>(last_result_ - start_).count();
  return report_;
}

Result<void> LoadRun::end_of_round() {
  if (auto flushed = book_.flush(); !flushed) return flushed;
  if (!waiting_.empty()) wake_waiting();
  if (!end_announced_ && ending()) {
    end_announced_ = true;
    for (auto& connection : connections_) connection->wake();
  }
  return book_.flush();
}

// Each is asked once: those that still may not go on are back in the queue when this returns.
void LoadRun::wake_waiting() {
  const bool paced = options_.rate > 0 && !ending();
  for (std::size_t left = waiting_.size(); left > 0; --left) {
    if (paced && Clock::now() < due_of(sequence_)) return;
    LoadConnection* connection = waiting_.front();
    waiting_.pop_front();
    connection->wake();
  }
}

LoadRun::Permit LoadRun::ask(LoadConnection* connection, BookKey& key) {
  if (ending()) return Permit::finished;
  const bool none_left = out_of_messages();
  const SteadyTime due = due_of(sequence_);
  if (none_left || (options_.rate > 0 && Clock::now() < due)) {
    waiting_.push_back(connection);
    if (!none_left) loop_.set_timer(this, std::min(due, next_sweep_));
    return Permit::wait;
  }
  key.run = run_;
  key.sequence = sequence_++;
  key.size = options_.smallest == options_.largest
                 ? options_.smallest
                 : std::uniform_int_distribution(options_.smallest, options_.largest)(random_);
  ++in_flight_;
  return Permit::granted;
}

bool LoadRun::out_of_messages() const {
  if (options_.messages > 0 && sequence_ - given_back_ >= options_.messages) return true;
  return options_.seconds > 0 && Clock::now() >= start_ + seconds(options_.seconds);
}

SteadyTime LoadRun::due_of(std::uint64_t number) const {
  return options_.rate > 0 ? start_ + seconds(static_cast<double>(number) / options_.rate) : start_;
}

void LoadRun::record(const ClientEntry& entry, std::optional<std::chrono::microseconds> latency) {
  --in_flight_;
  last_result_ = Clock::now();
  switch (entry.outcome) {
    case Outcome::accepted:
      ++report_.accepted;
      report_.bytes += entry.size;
      report_.recipients += entry.recipients.size();
      break;
    case Outcome::tempfail:
      ++report_.tempfail;
      break;
    case Outcome::permfail:
      ++report_.permfail;
      break;
    case Outcome::unknown:
      ++report_.unknown;
      break;
    case Outcome::unsent:
      ++report_.unsent;
      break;
  }
  const bool again = entry.outcome == Outcome::tempfail || entry.outcome == Outcome::unsent;
  if (options_.retry && again) ++given_back_;
  if (latency) report_.latency.add(static_cast<std::uint64_t>(latency->count()));
  if (book_.is_open()) append_line(book_.pending(), entry);
}

void LoadRun::connection_ended() {
  if (++ended_ == connections_.size()) loop_.stop();
}

void LoadRun::stop() {
  if (stopped_) {
    abandon_all();
    return;
  }
  stopped_ = true;
  cut_at_ = Clock::now() + stop_patience;
  arm_timer(Clock::now());
}

void LoadRun::on_timer() {
  const SteadyTime now = Clock::now();
  if (now >= next_sweep_) {
    next_sweep_ = now + std::chrono::seconds(1);
    sweep(now);
  }
  arm_timer(now);
}

void LoadRun::arm_timer(SteadyTime now) {
  SteadyTime due = next_sweep_;
  if (options_.seconds > 0) {
    const SteadyTime over = start_ + seconds(options_.seconds);
    if (over > now) due = std::min(due, over);
  }
  if (options_.rate > 0 && !waiting_.empty()) due = std::min(due, std::max(now, due_of(sequence_)));
  loop_.set_timer(this, due);
}

void LoadRun::sweep(SteadyTime now) {
  if (options_.progress) print_progress();
  for (auto& connection : connections_) connection->check_deadline(now);
  if (stopped_ && now >= cut_at_) return abandon_all();
  const bool somebody_waits =
      std::ranges::any_of(connections_, [](const auto& one) { return one->waiting(); });
  if (!somebody_waits && now - last_answer_ > options_.give_up) {
    report_.gave_up = true;
    stopped_ = true;
    abandon_all();
  }
}

void LoadRun::abandon_all() {
  for (auto& connection : connections_) connection->abandon();
}

void LoadRun::print_progress() {
  fmt::print(stderr,
             "{} accepted ({}/s), {} tempfail, {} permfail, {} unknown, {} unsent; 250 "
             "after p50 {} p99 {} us\n",
             report_.accepted, report_.accepted - printed_accepted_, report_.tempfail,
             report_.permfail, report_.unknown, report_.unsent, report_.latency.quantile(0.5),
             report_.latency.quantile(0.99));
  printed_accepted_ = report_.accepted;
}

std::string to_json(const LoadReport& r) {
  std::string fault;
  for (const char c : r.last_fault) {
    if (c == '"' || c == '\\') fault.push_back('\\');
    fault.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  return fmt::format(
      R"({{"messages":{},"accepted":{},"tempfail":{},"permfail":{},"unknown":{},"unsent":{},)"
      R"("recipients":{},"bytes":{},"seconds":{:.6f},"rate":{:.1f},"connected":{},)"
      R"("refused_connections":{},"lost_connections":{},"gave_up":{},"last_fault":"{}",)"
      R"("latency_us":{{"p50":{},"p90":{},"p99":{},"max":{}}}}})",
      r.messages(), r.accepted, r.tempfail, r.permfail, r.unknown, r.unsent, r.recipients, r.bytes,
      r.seconds, r.rate(), r.connected, r.refused_connections, r.lost_connections, r.gave_up, fault,
      r.latency.quantile(0.5), r.latency.quantile(0.9), r.latency.quantile(0.99), r.latency.max());
}

std::string to_text(const LoadReport& r) {
  std::string text = fmt::format(
      "{} accepted in {:.3f} s: {:.0f}/s; 250 after p50 {} p90 {} p99 {} max {} us; {} tempfail, "
      "{} "
      "permfail, {} unknown, {} unsent; {} connections, {} refused, {} lost\n",
      r.accepted, r.seconds, r.rate(), r.latency.quantile(0.5), r.latency.quantile(0.9),
      r.latency.quantile(0.99), r.latency.max(), r.tempfail, r.permfail, r.unknown, r.unsent,
      r.connected, r.refused_connections, r.lost_connections);
  if (!r.last_fault.empty()) text += fmt::format("last trouble: {}\n", r.last_fault);
  return text;
}

}  // namespace brevdue::load

#include "bench/load/book_comparison.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include <fmt/format.h>

namespace brevdue::load {

namespace {

constexpr std::size_t most_faults = 100;

struct Pair {
  const ClientEntry* sent;
  std::vector<const SinkEntry*> arrived;
  bool refused = false;
};

std::string pair_name(std::string_view key, std::string_view recipient) {
  return fmt::format("{} {}", key, recipient);
}

class Comparer {
 public:
  explicit Comparer(const ComparisonOptions& options) : options_(options) {
    cuts_ = options.cuts;
    std::ranges::sort(cuts_);
  }

  Result<void> take_client(const ClientEntry& entry) {
    if (!keys_.insert(entry.key).second) {
      return fail(ErrorCode::corrupt, "the clients' books have the key " + entry.key + " twice");
    }
    ++result_.messages;
    switch (entry.outcome) {
      case Outcome::accepted:
        result_.accepted += entry.recipients.size();
        break;
      case Outcome::tempfail:
      case Outcome::permfail:
        ++result_.refused;
        break;
      case Outcome::unknown:
        ++result_.unknown;
        break;
      case Outcome::unsent:
        ++result_.unsent;
        break;
    }
    for (const auto& recipient : entry.recipients) {
      pairs_.emplace(pair_name(entry.key, recipient), Pair{&entry, {}});
    }
    for (const auto& recipient : entry.refused) {
      pairs_.emplace(pair_name(entry.key, recipient), Pair{&entry, {}, true});
    }
    return {};
  }

  void take_sink(const SinkEntry& entry) {
    ++result_.arrivals;
    if (entry.verdict == "foreign") {
      note(result_.foreign, "foreign", pair_name(entry.key, entry.recipient), entry.time);
      return;
    }
    const auto found = pairs_.find(pair_name(entry.key, entry.recipient));
    if (found == pairs_.end()) {
      note(result_.ghosts, "ghost", pair_name(entry.key, entry.recipient), entry.time);
      return;
    }
    found->second.arrived.push_back(&entry);
  }

  Comparison finish() {
    for (auto& [name, pair] : pairs_) judge(name, pair);
    return std::move(result_);
  }

 private:
  void note(std::uint64_t& counter, std::string_view fault, const std::string& name,
            std::int64_t time) {
    ++counter;
    if (result_.faults.size() < most_faults) {
      result_.faults.push_back(fmt::format("{}: {} at {}", fault, name, time));
    }
  }

  void judge(const std::string& name, Pair& pair) {
    const ClientEntry& sent = *pair.sent;
    if (pair.arrived.empty()) {
      if (sent.outcome != Outcome::accepted || pair.refused) return;
      if (options_.elsewhere.contains(sent.key) || options_.elsewhere.contains(name)) {
        ++result_.elsewhere;
      } else {
        note(result_.lost, fmt::format("lost (queue id {})", sent.queue_id), name, sent.time);
      }
      return;
    }
    for (const SinkEntry* arrival : pair.arrived) {
      if (arrival->verdict != "ok" || arrival->crc != sent.crc) {
        note(result_.altered, "altered", name, arrival->time);
      }
    }
    if (pair.refused || !sent.may_arrive()) {
      note(result_.unexplained,
           pair.refused ? "arrived though the recipient was refused"
                        : fmt::format("arrived though the client saw {} at {}",
                                      name_of(sent.outcome), sent.stage),
           name, pair.arrived.front()->time);
      return;
    }
    if (sent.outcome == Outcome::unknown) ++result_.arrived_unknown;
    if (sent.outcome == Outcome::tempfail) ++result_.arrived_tempfail;
    judge_duplicates(name, pair);
  }

  void judge_duplicates(const std::string& name, Pair& pair) {
    std::ranges::sort(pair.arrived, {}, &SinkEntry::time);
    for (std::size_t i = 1; i < pair.arrived.size(); ++i) {
      const SinkEntry& before = *pair.arrived[i - 1];
      const bool explained = pair.sent->outcome != Outcome::accepted || !before.answered ||
                             cut_between(before.time, pair.arrived[i]->time);
      if (explained) {
        ++result_.duplicates_explained;
      } else {
        note(result_.duplicates, "duplicate", name, pair.arrived[i]->time);
      }
    }
  }

  bool cut_between(std::int64_t first, std::int64_t second) const {
    const auto cut = std::ranges::lower_bound(cuts_, first);
    return cut != cuts_.end() && *cut <= second && *cut - first <= options_.cut_window;
  }

  const ComparisonOptions& options_;
  std::vector<std::int64_t> cuts_;
  Comparison result_;
  std::unordered_set<std::string> keys_;
  std::unordered_map<std::string, Pair> pairs_;
};

}  // namespace

bool Comparison::sound(const ComparisonOptions& options) const {
  return lost == 0 && altered == 0 && unexplained == 0 && ghosts == 0 &&
         (duplicates == 0 || options.allow_duplicates) && (foreign == 0 || options.allow_foreign);
}

Result<Comparison> compare_books(const std::vector<ClientEntry>& client,
                                 const std::vector<SinkEntry>& sink,
                                 const ComparisonOptions& options) {
  Comparer comparer(options);
  for (const auto& entry : client) {
    if (auto taken = comparer.take_client(entry); !taken) return propagate(taken.error());
  }
  for (const auto& entry : sink) comparer.take_sink(entry);
  return comparer.finish();
}

std::string to_json(const Comparison& c, bool sound) {
  return fmt::format(
      R"({{"sound":{},"messages":{},"accepted":{},"refused":{},"unknown":{},"unsent":{},)"
      R"("arrivals":{},"elsewhere":{},"arrived_unknown":{},"arrived_tempfail":{},)"
      R"("duplicates_explained":{},"lost":{},"altered":{},"duplicates":{},"unexplained":{},)"
      R"("ghosts":{},"foreign":{}}})",
      sound, c.messages, c.accepted, c.refused, c.unknown, c.unsent, c.arrivals, c.elsewhere,
      c.arrived_unknown, c.arrived_tempfail, c.duplicates_explained, c.lost, c.altered,
      c.duplicates, c.unexplained, c.ghosts, c.foreign);
}

std::string to_text(const Comparison& c) {
  return fmt::format(
      "sent     {} messages: {} recipients with 250, {} messages refused, {} without an answer, {} "
      "not sent\n"
      "arrived  {}: {} without an answer and {} after 4xx (allowed), {} explained duplicates\n"
      "missing  {} named as elsewhere\n"
      "faults   {} lost, {} altered, {} duplicates, {} unexplained, {} ghosts, {} foreign\n",
      c.messages, c.accepted, c.refused, c.unknown, c.unsent, c.arrivals, c.arrived_unknown,
      c.arrived_tempfail, c.duplicates_explained, c.elsewhere, c.lost, c.altered, c.duplicates,
      c.unexplained, c.ghosts, c.foreign);
}

}  // namespace brevdue::load

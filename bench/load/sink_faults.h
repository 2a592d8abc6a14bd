// The faults a sink shows on purpose: at which stage of a session, what it does, how often.
//
// Pure but for its own seeded random numbers; the same seed gives the same faults to the same
// sessions in the same order.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace brevdue::load {

// The moment before the reply named is sent; `body` is the middle of the content; at `kept` the
// message is already in the sink's book, and the client does not learn of it.
enum class Stage { connect, ehlo, mail, rcpt, data, body, dot, kept };

enum class Action { reply, close, reset, stall, lie };

enum class Lie {
  mismatch,       // a reply of two lines with different codes
  preliminary,    // 1xx
  endless_lines,  // a reply whose last line never comes
  endless_line,   // a line that never ends
  garbage,        // bytes that are no reply
  code,           // a code outside 200 to 599
  twice,          // one reply more than there were commands
};
inline constexpr int lie_count = 7;

struct Fault {
  Action action = Action::reply;
  Stage stage = Stage::dot;
  int code = 450;
  std::optional<Lie> lie;  // without: another one each time
  double share = 1;
  std::string recipient;    // a glob that a recipient must match; empty: no condition
  std::uint64_t times = 0;  // 0: without end
};

std::optional<Stage> parse_stage(std::string_view name);
std::optional<Lie> parse_lie(std::string_view name);

class FaultPlan {
 public:
  FaultPlan(std::vector<Fault> faults, std::uint64_t seed);

  // The first fault that strikes at this stage; `recipients` are those of the transaction (at rcpt:
  // the one just named).
  const Fault* strike(Stage stage, const std::vector<std::string>& recipients);
  bool has(Stage stage) const;
  void enable(bool on) { enabled_ = on; }
  Lie pick_lie(const Fault& fault);
  std::string garbage();

 private:
  struct Planned {
    Fault fault;
    std::uint64_t struck = 0;
  };

  std::vector<Planned> faults_;
  std::mt19937_64 random_;
  bool enabled_ = true;
};

}  // namespace brevdue::load

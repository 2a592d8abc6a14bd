// Copies to a side what it lacks, message by message while mail goes on: everything, to a side that
// joined; what a crash left on one side; what is damaged on one. The function of a thread of the
// mirror.
//
// A message is read from the side that has it and written to the other: its envelope and content,
// then its state, then what was asked of it meanwhile (copy_ledger.h). Its place on the side it was
// copied to is known from then on.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "mirror/mirror_state.h"

namespace brevdue::mirror {

class Copier {
 public:
  explicit Copier(MirroredStore::State& state) : state_(state) {}
  // Until the store is stopped.
  void run();

 private:
  using Held = MirroredStore::State::Held;
  struct Copy {
    Lack lack;
    SharedBytes content;
    queue::StoredMessage stored;
    std::optional<queue::Location> at;  // on the side that it is copied to
  };

  Result<void> scan_the_new(std::size_t side);
  // Whether there was nothing to copy; nothing if the store is stopped.
  std::optional<bool> pass();
  bool copy_some(std::vector<Lack> lacks);
  std::optional<Copy> read(const Lack& lack);
  bool is_whole(const Lack& lack, const queue::Location& at);
  std::uint64_t write_all(std::vector<Copy> copies);
  void hold_and_write(std::size_t side, std::vector<Copy> copies);
  void write(std::size_t side, std::vector<Copy> copies);
  bool take_away_damaged(std::size_t side, std::vector<Copy>& copies);
  bool write_records(std::size_t side, std::vector<Copy>& copies);
  bool write_states(std::size_t side, std::vector<Copy>& copies);
  bool write_kept(std::size_t side, const std::vector<Copy>& copies);
  enum class Refusals : std::uint8_t { none, allowed };
  // Otherwise the side has been left.
  bool is_good(std::size_t side, const std::optional<queue::BatchResults>& results,
               Refusals refusals);
  // False when the store is stopped.
  bool keep_to_the_rate(std::uint64_t bytes);
  void give_up(const Lack& lack, const Error& why);

  MirroredStore::State& state_;
  std::unordered_set<mail::QueueId> given_up_;
  std::array<std::optional<unsigned>, sides> scanned_;  // generation of the store
  std::chrono::steady_clock::time_point free_at_{};     // when more may be copied
};

}  // namespace brevdue::mirror

// Appends to the log: the only one that knows where it ends. One thread at a time does so. That is
// the one that calls run(), which submit and do_upkeep hand work to and wake once; or, once
// begin_attended was called, the one that submits, which then has no other thread to wake and to be
// woken by. It writes what needs no more than one write. All else, a new segment, upkeep, a log
// without room, takes waiting, and is left to the thread of run(), whose turn it is until all of
// that is on the disk. The turn only passes while nothing is in flight.
//
// Each write is one batch: header and records in one direct, durable write, never across segments.
// Most submitted batches become one; one too large becomes several, messages first, so that what it
// adds is durable before what it removes. Several may be in flight; what is submitted is answered,
// and entered in the table, in the order of submission. Nothing is in flight while a segment is
// left: the old one gets its footer, then the next one its header, then the batch goes there. So it
// is before and after upkeep.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backends/iouring/log_device.h"
#include "backends/iouring/log_location.h"
#include "backends/iouring/segment_pool.h"
#include "backends/iouring/segment_scan.h"
#include "backends/iouring/writes_in_flight.h"
#include "queue/store.h"

namespace brevdue::backends {

// One record on its way into the log.
//
// A message is moved by two or three items that follow one another and carry the place it leaves in
// `moves`: the message again, its whole settlement if it has one, whose target is filled in by the
// writer, and the tombstone of what is left.
struct LogItem {
  LogRecord record{};
  std::string body{};             // what record.first views, of all but messages
  SharedBytes message{};          // what the record of a message that is moved views
  std::size_t index = 0;          // of the mutation in its batch
  std::uint32_t target_size = 0;  // of the record that a tombstone is about
  std::optional<RecordPlace> moves{};
  // Of the whole settlement of a checkpoint, whose order is set: it takes the place of those that
  // lie in generations up to this one.
  std::optional<std::uint32_t> covers{};
  std::optional<LogLocation> at{};  // set when it is on its way to the disk
};

// Of a batch that holds them.
std::uint64_t bytes_of(std::span<const LogItem> items);
// Content if any of them is a message.
Purpose purpose_of(std::span<const LogItem> items);

class LogWriter {
 public:
  LogWriter(LogDevice& device, SegmentPool& pool, std::uint32_t segment_size)
      : device_(device), pool_(pool), segment_size_(segment_size), writes_(device) {}

  // Before run(). `newest` is the segment that the log ended in, if there is any; goes on in it
  // behind a batch that says so, which leaves nothing of what may have been cut off there.
  Result<void> begin(const SegmentHeader* newest, const SegmentEnd& end);
  // Before run(): so that the first batch waits for nothing.
  Result<void> open_first_segment();

  // Until stop(); answers what was submitted before it.
  void run();
  void stop();
  // After run(): an empty batch, or the footer, says that all before it is durable, so that damage
  // to the last one is not taken for the end of the log.
  void close();
  // Until run() knows by which calls it will write and has said so.
  void wait_until_ready();

  void submit(queue::Batch batch, queue::BatchDone done);
  // In the thread that submits, before it does. It must call attend() when the descriptor is
  // readable, and soon after `poke` was called, by any thread. Nothing where the device has no such
  // way: then all is written by the thread of run().
  std::optional<int> begin_attended(std::function<void()> poke);
  // Answers what has become durable; of what was submitted since.
  void attend();
  // Writes these records and waits. Survivor lists are filled in here; messages that were settled
  // (SegmentTable::watch) or discarded meanwhile are taken out, not moved. busy, with some of them
  // written perhaps, while a segment must be made first: for the thread that makes them.
  Result<void> do_upkeep(std::vector<LogItem>& items);
  // Until the next moment at which the last batch in flight has landed, at most so long; whether it
  // came. On a disk that serves one request at a time what is written then stands in nobody's way
  // while the next batch gathers. For one thread, that of the caretaker.
  bool await_rest(std::chrono::nanoseconds at_most);
  // Records that are moved together must fit in this.
  std::uint32_t batch_size_max() const;

  // Batches wanted in flight; any thread.
  unsigned depth() const { return writes_.depth(); }
  // Left in the current segment, 0 while the next one is begun; any thread.
  std::uint32_t remaining() const { return remaining_.load(std::memory_order_relaxed); }

 private:
  struct Upkeep {
    std::vector<LogItem>& items;
    Result<void> result;
    bool done = false;
  };
  // A submitted batch.
  struct Commit {
    static constexpr std::uint64_t unfinished = UINT64_MAX;

    queue::Batch batch;
    queue::BatchDone done;
    queue::BatchResults results{};
    std::vector<LogItem> items{};
    std::uint64_t through = unfinished;  // answered when all up to this is durable
  };

  enum class Turn { of_run, of_submitter, of_submitter_in_flight };

  void wait_for_turn(std::unique_lock<std::mutex>& lock);
  void end_turn(std::unique_lock<std::mutex>& lock);
  void pass_turn(Turn to);
  void write_at_once(std::unique_lock<std::mutex>& lock);
  bool take_up_at_once(Commit& commit);
  bool fits_at_once(std::span<const LogItem> items) const;
  void land_ended();
  bool is_wanted() const { return stop_ || !submitted_.empty() || upkeep_ != nullptr; }
  void take_up(Commit& commit);
  void write_items(Commit& commit);
  void refuse_all(Commit& commit);
  void answer_durable();
  std::vector<LogItem> items_of(queue::Batch& batch, queue::BatchResults& results);
  void refuse_what_does_not_fit(std::vector<LogItem>& items, queue::BatchResults& results);
  void carry_out_upkeep(std::unique_lock<std::mutex>& lock);
  void carry_out(Upkeep& upkeep);
  // Waits for the caretaker while it may make the room that settlements and discards need; whether
  // places may have changed meanwhile.
  bool upkeep_made_room(std::span<const LogItem> items);
  void write_checkpoint_records(Upkeep& upkeep);
  void write_moves(Upkeep& upkeep);
  Result<void> write_and_land(std::span<LogItem> items);
  Result<void> write(std::span<LogItem> items, Purpose purpose);
  Result<void> write_one_batch(std::span<LogItem> items, std::uint32_t size);
  // Waits until one write has ended, or woken; until nothing is in flight.
  Result<void> land();
  Result<void> land_all();
  Result<void> landed(Result<unsigned> count);
  void enter_in_table(std::span<const LogItem> items);
  Result<void> write_empty_batch();
  Result<void> next_segment(Purpose purpose);
  Result<std::uint32_t> take_segment(Purpose purpose);
  std::unexpected<Error> fail_for_good(Error error);
  void set_position(std::uint32_t offset);
  void look_at_free_space();
  void rouse(bool awaits_disk);
  void tell_of_rest();

  LogDevice& device_;
  SegmentPool& pool_;
  const std::uint32_t segment_size_;
  WritesInFlight writes_;
  bool has_segment_ = false;
  SegmentHeader segment_;
  std::uint32_t offset_ = 0;
  std::uint32_t generation_ = 0;  // the highest ever used
  std::uint32_t run_ = 1;
  std::uint64_t sequence_ = 0;                      // of the last batch that was started
  std::uint64_t empty_ = 0;                         // of the last one without records
  std::uint64_t durable_ = 0;                       // all up to this one are
  std::deque<std::span<const LogItem>> in_flight_;  // batches from durable_ + 1 on
  std::deque<Commit> commits_;                      // unanswered, in order of submission
  std::chrono::steady_clock::time_point space_known_at_{};
  std::atomic<std::uint32_t> remaining_{0};
  std::atomic<bool> rest_is_awaited_{false};
  bool refused_ = false;  // a write ended when it was started

  std::mutex mutex_;  // guards what follows; what is above belongs to whose turn it is
  Turn turn_ = Turn::of_run;
  bool rests_ = false;          // the thread of run()
  std::function<void()> poke_;  // empty: nobody attends
  std::condition_variable work_;
  std::condition_variable upkeep_done_;
  std::condition_variable is_ready_;
  std::condition_variable came_to_rest_;
  std::vector<Commit> submitted_;
  bool awaits_disk_ = false;
  Upkeep* upkeep_ = nullptr;
  bool waits_for_segment_ = false;
  bool ready_ = false;
  bool stop_ = false;
};

}  // namespace brevdue::backends

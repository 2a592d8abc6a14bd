// `brevdue queue verify` in qmgr: every message that is queued when it begins is read from the disk
// and checked, in slices, beside all other work.
//
// The store's records are read by the queue's reader thread, which deliveries wait for too, so a
// slice is short; staged contents by a thread of its own. After each slice there is a pause as long
// as the rate asks for. What is found damaged is also said in the log. Destroyed, it stops, with
// none of its callbacks called any more. Loop thread only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/file_system.h"
#include "core/log.h"
#include "ipc/verify_progress.h"
#include "queue/event_loop.h"
#include "queue/queue.h"
#include "queue/staged_check.h"
#include "queue/verification_text.h"
#include "queue/worker.h"

namespace brevdue::daemon {

class Verification {
 public:
  struct Callbacks {
    std::function<void(std::string line)> found;
    std::function<void(const ipc::VerifyProgress&)> progress;
    // The last call. An error: the queue's store failed meanwhile.
    std::function<void(Result<void>, const ipc::VerifyProgress&)> ended;
  };

  // `spools` are the spool directories; at most `rate` bytes are read a second, 0: no bound.
  Verification(queue::EventLoop& events, queue::Queue& queue, const Log& log,
               std::vector<std::string> spools, std::uint64_t rate, Callbacks callbacks);
  ~Verification();
  Verification(const Verification&) = delete;
  Verification& operator=(const Verification&) = delete;

  void start();

 private:
  struct Staged {
    mail::QueueId id;
    mail::ContentFacts facts;
  };

  void next();
  void checked(const std::vector<mail::QueueId>& ids, std::vector<Result<queue::Verified>> found);
  void take(mail::QueueId id, const Result<queue::Verified>& found);
  // Of a second look, which a change of the message cannot disturb as well.
  void report(mail::QueueId id, const Result<queue::Verified>& found);
  void next_staged();
  void read_staged(std::shared_ptr<queue::StagedCheck> check, Staged staged);
  void staged_ended(const Staged& staged, std::optional<queue::Damage> damage);
  void look_for_leftovers();
  void add_leftovers(const std::vector<queue::Leftover>& leftovers);
  void damaged(const std::string& line);
  void pause(std::function<void(Verification&)> then);
  // Runs it in the loop's thread, unless this is destroyed before.
  void soon(std::function<void(Verification&)> task);
  std::size_t piece_size() const;
  std::size_t slice_size() const;

  queue::EventLoop& events_;
  queue::Queue& queue_;
  const Log& log_;
  const std::vector<std::string> spools_;
  const std::uint64_t rate_;
  Callbacks callbacks_;
  RealFileSystem files_;
  ipc::VerifyProgress progress_;
  std::vector<mail::QueueId> ids_;  // ascending
  std::size_t next_ = 0;
  std::vector<mail::QueueId> doubtful_;  // to be looked at once more
  bool second_look_ = false;
  std::vector<Staged> staged_;
  std::uint64_t slice_bytes_ = 0;   // read since the last pause
  std::uint64_t record_bytes_ = 0;  // of all messages so far, without staged contents
  SteadyTime slice_began_{};
  SteadyTime told_{};
  SystemClock clock_;
  queue::EventLoop::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  queue::Worker reader_;  // last: its task ends before the rest goes
};

}  // namespace brevdue::daemon

// qmgr's side of the channels to the smtpd processes: takes submissions into the queue, stages
// large content, and answers each ticket once, one frame a batch and smtpd.
//
// An smtpd is not trusted: its envelopes are decoded and compared with the content they come with,
// its ids must be of its slot and not from the future, it may send no more than it has credit for,
// and what breaks the protocol closes its channel. Loop thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "core/log.h"
#include "ipc/channel.h"
#include "ipc/submission_frames.h"
#include "queue/id_floor.h"
#include "queue/queue.h"
#include "queue/worker.h"

namespace brevdue::daemon {

struct SubmissionOptions {
  std::uint64_t content_budget = 0;  // for each smtpd
  std::uint64_t content_size_max = 0;
};

class SubmissionServer {
 public:
  SubmissionServer(boost::asio::io_context& loop, queue::EventLoop& events, queue::Queue& queue,
                   queue::IdFloor floor, const Clock& clock, const Log& log,
                   SubmissionOptions options);
  ~SubmissionServer();

  void attach(std::uint16_t slot, UniqueFd socket);
  // Tells every smtpd whether the queue takes mail and how much fits.
  void announce_state();
  // Takes the limits of a reloaded config.
  void configure(const SubmissionOptions& options);

 private:
  class Session;
  void reserve_ids(WallTime up_to);
  void when_reserved(WallTime id, std::move_only_function<void(bool)> then);
  void moved_mark(WallTime mark, const Result<void>& result);
  void keep_reserving();
  void remove(std::uint16_t slot, Session* session);
  ipc::QueueState state() const;

  boost::asio::io_context& loop_;
  queue::EventLoop& events_;
  queue::Queue& queue_;
  std::shared_ptr<queue::IdFloor> floor_;  // marks_ moves its mark
  const Clock& clock_;
  const Log& log_;
  SubmissionOptions options_;
  WallTime reserved_{};
  bool reserving_ = false;
  struct Waiting {
    WallTime id;
    std::move_only_function<void(bool)> then;
  };
  std::vector<Waiting> waiting_;                  // bounded by the credit of the smtpds
  std::map<std::uint16_t, WallTime> highest_id_;  // by slot, so that a new smtpd repeats none
  std::map<std::uint16_t, std::shared_ptr<Session>> sessions_;
  queue::EventLoop::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  // Its own: behind large content being staged a mark could come too late, and all mail wait.
  queue::Worker marks_;
};

}  // namespace brevdue::daemon

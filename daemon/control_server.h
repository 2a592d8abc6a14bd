// qmgr's end of the control socket: answers `brevdue queue …`.
//
// Who may ask: root and the user that qmgr runs as (SO_PEERCRED), nobody else. A request runs in
// slices, so that listing a million messages stalls nobody; a client that reads slowly is waited
// for, one that asks for nothing is not. While as many are served as may be, others wait in the
// backlog. A change is counted when it is durable. Loop thread only.
#pragma once

#include <list>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "core/log.h"
#include "core/unique_fd.h"
#include "daemon/dispatcher.h"
#include "daemon/spool.h"
#include "queue/event_loop.h"
#include "queue/queue.h"
#include "queue/worker.h"

namespace brevdue::daemon {

class ControlServer {
 public:
  // `spool` must outlive it.
  ControlServer(boost::asio::io_context& loop, queue::EventLoop& events, UniqueFd listener,
                queue::Queue& queue, Dispatcher& dispatcher, const Log& log, const Spool& spool);
  ~ControlServer();

 private:
  class Session;
  void accept();
  void take_one();
  void remove(const Session* session);

  boost::asio::io_context& loop_;
  queue::EventLoop& events_;
  boost::asio::posix::stream_descriptor listener_;
  queue::Queue& queue_;
  Dispatcher& dispatcher_;
  const Log& log_;
  const Spool& spool_;
  queue::Worker mirror_work_;  // what the operator asks of a mirror: it may wait for a disk
  std::list<std::shared_ptr<Session>> sessions_;
  queue::EventLoop::TimerId accept_timer_ = 0;
  bool accepting_ = false;
};

}  // namespace brevdue::daemon

// smtpd's side of its channel to qmgr: what the sessions see as the Reception.
//
// attach() takes a new channel, at start and whenever the master brings one after qmgr died. While
// there is none, and until qmgr has said hello, availability() says unavailable. Tickets open when
// a channel breaks are answered `unavailable`; their messages may still arrive. Loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include <boost/asio/io_context.hpp>

#include "core/log.h"
#include "ipc/channel.h"
#include "ipc/submission_frames.h"
#include "smtp/limits.h"
#include "smtp/reception.h"

namespace brevdue::daemon {

class QueueLink final : public smtp::Reception {
 public:
  QueueLink(boost::asio::io_context& loop, const Clock& clock, const Log& log);

  void attach(UniqueFd socket);
  // Before the loop is destroyed; everything open is answered `unavailable`.
  void close() { on_closed(); }
  // Called whenever the channel has closed by itself or was closed for what came over it: the owner
  // asks for another.
  void when_lost(std::function<void()> task) { when_lost_ = std::move(task); }
  // Called once, when the first hello has come: ids can be made from then on.
  void when_ready(std::function<void()> task) { when_ready_ = std::move(task); }
  bool idle() const { return waiting_.empty() && stages_.empty(); }

  Result<void> availability(std::uint64_t announced_size) const override;
  mail::QueueId next_id() override;
  smtp::ContentRoom& room() override { return room_; }
  void submit(mail::Envelope&& envelope, SharedBytes content, Done done) override;
  void begin_staging(mail::QueueId id, std::uint64_t announced_size) override;
  void append(mail::QueueId id, SharedBytes chunk, Done more) override;
  void finish(mail::Envelope&& envelope, Done done) override;
  void abort(mail::QueueId id) override;
  void log(std::string_view program, std::string_view text) override;

 private:
  struct Stage {
    ipc::Ticket ticket;
    std::uint64_t unwritten = 0;  // sent, and not yet in the file
    std::uint64_t promised = 0;   // announced, and not yet sent
    Done more;
  };

  void on_frame(std::uint8_t type, std::string_view payload);
  Result<void> on_hello(std::string_view payload);
  Result<void> on_acknowledgements(std::string_view payload);
  Result<void> on_credit(std::string_view payload);
  void on_closed();
  void on_lost();
  void release(const Stage& stage);
  void send(ipc::SubmissionFrame type, std::string head, SharedBytes tail = {});

  boost::asio::io_context& loop_;
  const Clock& clock_;
  const Log& log_;
  std::unique_ptr<ipc::Channel> channel_;
  std::optional<mail::QueueIdSource> ids_;
  ipc::QueueState state_;
  smtp::ContentRoom room_{0};
  ipc::Ticket last_ticket_ = 0;
  std::unordered_map<ipc::Ticket, Done> waiting_;
  std::unordered_map<mail::QueueId, Stage> stages_;
  std::unordered_map<ipc::Ticket, mail::QueueId> stage_of_;
  std::uint64_t promised_ = 0;  // of all stages: room on the disk that is spoken for
  std::function<void()> when_ready_;
  std::function<void()> when_lost_;
};

}  // namespace brevdue::daemon

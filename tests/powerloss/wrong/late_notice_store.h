// A wrong store, to be caught: passes each batch on as two, what it removes or settles first and
// what it adds after that. One batch at a time.
#pragma once

#include <memory>
#include <utility>

#include "queue/store.h"

namespace brevdue::powerloss {

class LateNoticeStore final : public queue::Store {
 public:
  explicit LateNoticeStore(std::unique_ptr<queue::Store> below) : below_(std::move(below)) {}

  Result<void> start() override { return below_->start(); }
  Result<void> recover(queue::RecoverySink& sink) override { return below_->recover(sink); }
  unsigned depth() const override { return 1; }
  std::uint64_t room() const override { return below_->room(); }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override {
    return below_->open(id, location);
  }
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override {
    return below_->look_up(id, location);
  }

  void submit(queue::Batch batch, queue::BatchDone done) override {
    struct Halves {
      std::vector<bool> adds;
      queue::BatchResults removed;
      queue::BatchDone done;
    };
    auto halves = std::make_shared<Halves>();
    halves->done = std::move(done);
    queue::Batch removing;
    queue::Batch adding;
    for (queue::Mutation& mutation : batch) {
      const bool adds = std::holds_alternative<queue::Enqueue>(mutation);
      halves->adds.push_back(adds);
      (adds ? adding : removing).push_back(std::move(mutation));
    }
    below_->submit(std::move(removing),
                   [halves](queue::BatchResults results) { halves->removed = std::move(results); });
    below_->submit(std::move(adding), [halves](queue::BatchResults added) {
      queue::BatchResults all;
      auto next_added = added.begin();
      auto next_removed = halves->removed.begin();
      for (const bool adds : halves->adds) {
        all.push_back(std::move(adds ? *next_added++ : *next_removed++));
      }
      halves->done(std::move(all));
    });
  }

 private:
  std::unique_ptr<queue::Store> below_;
};

}  // namespace brevdue::powerloss

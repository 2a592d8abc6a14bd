// A store that is attended: a thread of its own starts it, submits to it and is its loop, so that
// tests can use it from any thread like one that is not. A store that is not to be attended is an
// error of the test.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/unique_fd.h"
#include "queue/store.h"

namespace brevdue::tests {

class AttendedStore final : public queue::Store {
 public:
  explicit AttendedStore(std::unique_ptr<queue::Store> store);
  ~AttendedStore() override;

  Result<void> start() override;
  Result<void> recover(queue::RecoverySink& sink) override { return store_->recover(sink); }
  void submit(queue::Batch batch, queue::BatchDone done) override;
  unsigned depth() const override { return store_->depth(); }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location& location) override {
    return store_->open(id, location);
  }
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location& location) override {
    return store_->look_up(id, location);
  }
  std::uint64_t room() const override { return store_->room(); }

 private:
  using Task = std::move_only_function<void()>;

  void post(Task task);
  void run();
  void attend_from_now_on();

  std::unique_ptr<queue::Store> store_;
  UniqueFd bell_;     // an eventfd: something was posted
  int watched_ = -1;  // of the store
  bool ended_ = false;
  std::mutex mutex_;  // guards posted_
  std::vector<Task> posted_;
  std::thread owner_;
};

}  // namespace brevdue::tests

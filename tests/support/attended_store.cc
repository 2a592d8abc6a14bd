#include "tests/support/attended_store.h"

#include <array>
#include <cerrno>
#include <future>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace brevdue::tests {

AttendedStore::AttendedStore(std::unique_ptr<queue::Store> store)
    : store_(std::move(store)), bell_(::eventfd(0, EFD_CLOEXEC)), owner_([this] { run(); }) {}

AttendedStore::~AttendedStore() {
  post([this] {
    store_.reset();
    ended_ = true;
  });
  owner_.join();
}

Result<void> AttendedStore::start() {
  std::promise<Result<void>> started;
  post([&] {
    Result<void> result = store_->start();
    if (result) attend_from_now_on();
    started.set_value(std::move(result));
  });
  return started.get_future().get();
}

void AttendedStore::attend_from_now_on() {
  const auto descriptor = store_->begin_attended([this] { post([this] { store_->attend(); }); });
  BREVDUE_ASSERT(descriptor.has_value());
  watched_ = *descriptor;
}

void AttendedStore::submit(queue::Batch batch, queue::BatchDone done) {
  post([this, batch = std::move(batch), done = std::move(done)]() mutable {
    store_->submit(std::move(batch), std::move(done));
  });
}

void AttendedStore::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  BREVDUE_ASSERT(::write(bell_.get(), &one, sizeof one) == sizeof one);
}

void AttendedStore::run() {
  while (!ended_) {
    std::array<pollfd, 2> descriptors{pollfd{bell_.get(), POLLIN, 0}, pollfd{watched_, POLLIN, 0}};
    const int ready = ::poll(descriptors.data(), descriptors.size(), -1);
    BREVDUE_ASSERT(ready >= 0 || errno == EINTR);
    if (ready < 0) continue;
    if (descriptors[1].revents != 0) store_->attend();
    if (descriptors[0].revents == 0) continue;
    std::uint64_t rung = 0;
    BREVDUE_ASSERT(::read(bell_.get(), &rung, sizeof rung) == sizeof rung);
    std::vector<Task> due;
    {
      const std::lock_guard lock(mutex_);
      due.swap(posted_);
    }
    for (Task& task : due) {
      if (store_) task();
    }
  }
}

}  // namespace brevdue::tests

// A store that only collects batches; the test completes them, in order, when and how it likes.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "queue/store.h"

namespace brevdue::tests {

inline queue::Location location_number(std::uint64_t number) {
  queue::Location location;
  std::memcpy(location.bytes.data(), &number, sizeof number);
  return location;
}

inline mail::QueueId id_of(const queue::Mutation& mutation) {
  return std::visit([](const auto& m) { return m.id; }, mutation);
}

class ScriptedStore final : public queue::Store {
 public:
  explicit ScriptedStore(unsigned depth) : depth_(depth) {}

  Result<void> start() override { return {}; }
  Result<void> recover(queue::RecoverySink&) override { return {}; }
  unsigned depth() const override { return depth_; }
  std::uint64_t room() const override { return UINT64_MAX; }
  Result<SharedBytes> open(mail::QueueId id, const queue::Location&) override {
    return fail(ErrorCode::not_found, id.text());
  }
  Result<queue::StoredMessage> look_up(mail::QueueId id, const queue::Location&) override {
    return fail(ErrorCode::not_found, id.text());
  }

  void submit(queue::Batch batch, queue::BatchDone done) override {
    std::vector<mail::QueueId> ids;
    for (const queue::Mutation& mutation : batch) ids.push_back(id_of(mutation));
    submitted.push_back(std::move(ids));
    in_flight_.emplace_back(std::move(batch), std::move(done));
    deepest = std::max(deepest, in_flight_.size());
  }

  // Success for each mutation of the oldest batch; its location is the id's value.
  void complete() {
    queue::BatchResults results;
    for (const queue::Mutation& mutation : oldest()) {
      results.emplace_back(location_number(id_of(mutation).value()));
    }
    complete_with(std::move(results));
  }

  void complete_with(queue::BatchResults results) {
    auto done = std::move(in_flight_.front().second);
    in_flight_.pop_front();
    done(std::move(results));
  }

  const queue::Batch& oldest() const { return in_flight_.front().first; }
  std::size_t in_flight() const { return in_flight_.size(); }

  // The ids of every batch so far, and the most that were in flight at once.
  std::vector<std::vector<mail::QueueId>> submitted;
  std::size_t deepest = 0;

 private:
  unsigned depth_;
  std::deque<std::pair<queue::Batch, queue::BatchDone>> in_flight_;
};

}  // namespace brevdue::tests

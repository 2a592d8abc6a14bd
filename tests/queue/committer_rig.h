// A committer on a fake clock, a loop run by the test and a store completed by it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/committer.h"
#include "tests/queue/fake_loop.h"
#include "tests/queue/scripted_store.h"

namespace brevdue::tests {

struct CommitterRig {
  explicit CommitterRig(queue::CommitterOptions options = {}, unsigned depth = 1)
      : store(depth), committer(std::make_unique<queue::Committer>(store, clock, loop, options)) {}

  static queue::Mutation enqueue_of(std::uint64_t id, std::size_t size = 1000) {
    return queue::Enqueue{mail::QueueId(id), SharedBytes(std::string(size, 'e')), SharedBytes()};
  }
  static queue::Mutation settle_of(std::uint64_t id) {
    return queue::Settle{mail::QueueId(id), {}, {}};
  }
  static queue::Mutation discard_of(std::uint64_t id) {
    return queue::Discard{mail::QueueId(id), {}};
  }

  // Returns which of `answers` it will be.
  std::size_t submit(queue::Batch group) {
    const std::size_t which = answers.size();
    answers.emplace_back();
    committer->submit(std::move(group), [this, which](queue::BatchResults results) {
      times_answered += 1;
      answers[which] = std::move(results);
      answered_in_order.push_back(which);
    });
    return which;
  }
  std::size_t submit(queue::Mutation mutation) {
    queue::Batch group;
    group.push_back(std::move(mutation));
    return submit(std::move(group));
  }
  std::size_t enqueue(std::uint64_t id, std::size_t size = 1000) {
    return submit(enqueue_of(id, size));
  }

  // The oldest batch lands after `took`.
  void land(std::chrono::nanoseconds took) {
    loop.advance(took);
    store.complete();
    loop.run_posted();
  }

  // Sizes of the batches submitted so far.
  std::vector<std::size_t> batches() const {
    std::vector<std::size_t> sizes;
    for (const auto& ids : store.submitted) sizes.push_back(ids.size());
    return sizes;
  }

  FakeClock clock;
  FakeLoop loop{clock};
  ScriptedStore store;
  std::vector<std::optional<queue::BatchResults>> answers;
  std::vector<std::size_t> answered_in_order;
  std::size_t times_answered = 0;
  std::unique_ptr<queue::Committer> committer;  // goes before the store
};

}  // namespace brevdue::tests

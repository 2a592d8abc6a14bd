// A Queue on a FaultyStore, a fake clock and loop, a temporary staging directory, with what its
// observer was told and what it logged.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/queue.h"
#include "tests/queue/fake_loop.h"
#include "tests/queue/faulty_store.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

class QueueRig final : public queue::QueueObserver {
 public:
  explicit QueueRig(std::size_t content_cache_bytes = 64u << 20,
                    std::size_t message_cache_bytes = 64u << 20);
  ~QueueRig() override;

  // Starts the queue and waits for the end of its recovery.
  void start();
  // A new queue on what the last one left; restart() starts it as well.
  void remake();
  void restart();
  // Lets the time of `delay` pass, then waits until the queue is available.
  void reopen_after(std::chrono::nanoseconds delay);

  queue::NewMessage message(std::uint64_t id, const std::string& content = "Received: x\r\n");
  // One whose content was staged: the file is there and synced.
  queue::NewMessage staged_message(std::uint64_t id, const std::string& content);
  // What lies on the disk when the queue starts.
  void put_on_disk(std::uint64_t id, mail::DeliveryState state = {});

  // Each returns which of `answers` it will be; nothing is run.
  std::size_t enqueue(queue::NewMessage message);
  std::size_t settle(std::uint64_t id, mail::Settlement delta = {},
                     std::vector<queue::NewMessage> notices = {});
  std::size_t discard(std::uint64_t id, std::vector<queue::NewMessage> notices = {});
  // The same, and waits for the answer.
  Result<void> enqueue_now(queue::NewMessage message);
  Result<void> settle_now(std::uint64_t id, mail::Settlement delta = {});
  Result<void> discard_now(std::uint64_t id);
  Result<std::string> read(std::uint64_t id);
  Result<void> answer(std::size_t which);
  void staging_idle();  // waits until the writing thread of staging has done what was asked for

  // Loads it; nothing if that fails.
  queue::MessagePtr find(std::uint64_t id);
  std::string staged_path(std::uint64_t id) { return mail::QueueId(id).text(); }
  std::string log_text() const;
  std::size_t count(const std::string& event) const;

  void queued(const queue::QueuedMessage& message) override;
  void unavailable() override { events.emplace_back("unavailable"); }
  void available() override { events.emplace_back("available"); }
  void recovered(std::size_t count) override;

  StoreControl store;
  FakeClock clock;
  FakeLoop loop{clock};
  RealFileSystem real_files;
  FaultyFileSystem files{real_files};
  TemporaryDirectory staged;
  std::vector<std::string> events;       // "queued 1", "unavailable", "available", "recovered 3"
  std::vector<std::string> not_durable;  // ids reported queued that were not on the disk then
  std::vector<std::optional<Result<void>>> answers;
  std::unique_ptr<queue::Queue> queue;

 private:
  queue::Queue::Done remember();

  queue::QueueOptions options_;
  UniqueFd log_file_;
  std::unique_ptr<Log> log_;
};

}  // namespace brevdue::tests

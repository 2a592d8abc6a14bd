// The floor under the log: what one ring does with batches of the same size and nothing else.
// Copies the messages into an aligned buffer, writes it with O_DIRECT and RWF_DSYNC over a file of
// written zeros, waits, and does it again. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "core/unique_fd.h"

namespace brevdue::bench {

// Of so many writers, each with one message under way, in `depth` batches: none larger than a
// committer would make it.
struct BareBatches {
  BareBatches(unsigned writers, std::size_t message_size, unsigned depth);

  unsigned depth;
  unsigned messages;  // in a batch
  std::size_t message_size;
  std::size_t bytes;  // of a batch, in whole blocks
};

class BareWrite {
 public:
  // Writes an unnamed file of about `file_size` bytes in advance. Throws std::runtime_error, as
  // every call.
  BareWrite(const std::string& directory, std::uint64_t file_size, const BareBatches& batches);
  ~BareWrite();
  BareWrite(const BareWrite&) = delete;
  BareWrite& operator=(const BareWrite&) = delete;

  // Puts a batch into each free place.
  void start();
  // Waits until a batch is durable, and puts the next one into its place; returns how long it took.
  std::chrono::nanoseconds next();
  // Waits for all that are in flight.
  void stop();

 private:
  struct Ring;

  void prepare(unsigned place);
  unsigned wait();

  BareBatches batches_;
  std::string directory_;
  std::string message_;
  std::uint64_t file_size_;  // whole batches
  std::uint64_t offset_ = 0;
  unsigned in_flight_ = 0;
  UniqueFd file_;
  std::unique_ptr<Ring> ring_;
};

}  // namespace brevdue::bench

// The floor under the log: what one ring does with the same batches and nothing else. Copies the
// messages into an aligned buffer, writes it with O_DIRECT and RWF_DSYNC over a file of written
// zeros, waits, and does it again.
#pragma once

#include <cstdint>
#include <string>

namespace brevdue::bench {

class BareWrite {
 public:
  // Throws std::runtime_error. `file_size` bytes are written in advance.
  BareWrite(const std::string& directory, std::uint64_t file_size);
  ~BareWrite();
  BareWrite(const BareWrite&) = delete;
  BareWrite& operator=(const BareWrite&) = delete;

  void write(unsigned messages, std::size_t message_size);

 private:
  struct Ring;

  std::string path_;
  std::uint64_t file_size_;
  int fd_ = -1;
  std::uint64_t offset_ = 0;
  Ring* ring_;
};

}  // namespace brevdue::bench

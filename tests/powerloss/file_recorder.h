// The disk below one file that is written by system calls no seam of ours covers, liblmdb's own:
// while it lives, this program's pwrite, writev, fsync and fdatasync on that file pass through it.
//
// What is written is in the file at once, for whoever maps it, and durable after a sync, or,
// through a descriptor with O_DSYNC, by itself. lose_memory() makes the file what a power cut left.
// One at a time; thread-safe.
#pragma once

#include <mutex>
#include <random>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "bench/disk/volatile_cache.h"
#include "core/unique_fd.h"
#include "tests/disk/memory_medium.h"
#include "tests/powerloss/store_machine.h"

namespace brevdue::powerloss {

class FileRecorder {
 public:
  // The file is there, and what it holds is durable; it never grows beyond `size_max` bytes.
  FileRecorder(const std::string& path, std::size_t size_max, std::uint64_t seed);
  FileRecorder(const FileRecorder&) = delete;
  FileRecorder& operator=(const FileRecorder&) = delete;
  ~FileRecorder();

  void arm_cut(std::uint64_t nth, std::size_t sector);
  bool has_power() const;
  void lose_memory();
  void plan(const Fault& fault);
  bool fault_happened() const;

  // For the functions that stand in the C library's place; as those, errno and all.
  static FileRecorder* of(int fd);
  ssize_t write(int fd, std::string_view bytes, off_t offset);
  int sync();

 private:
  int sync_once();
  // Whether the call happens; else errno is set. The power may go with it.
  bool enter(std::string_view call, bool& is_cut);

  UniqueFd file_;
  ino_t inode_ = 0;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  disk::MemoryMedium medium_;
  disk::VolatileCache cache_;
  std::uint64_t length_ = 0;
  std::uint64_t durable_length_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t cut_at_ = 0;
  std::size_t sector_ = 512;
  bool power_ = true;
  Fault fault_;
  std::uint64_t calls_until_fault_ = 0;
  bool fault_happened_ = false;
};

}  // namespace brevdue::powerloss

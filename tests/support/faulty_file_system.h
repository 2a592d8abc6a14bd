// A FileSystem that passes calls on to another one and, when told to, makes them fail, writes or
// reads short, counts them and writes them down in order.
//
// Faults are per kind of call: the N-th one counted from now on fails with an errno, once or from
// then on; the call below is not made. Calls are recorded as "write NAME OFFSET+SIZE", "sync NAME",
// "rename FROM TO" and so on, where NAME is the path the descriptor was opened or last renamed
// under ("." for a directory opened so, "fd" for one that this object did not open). Thread-safe.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"

namespace brevdue::tests {

enum class Call {
  open,
  write,
  read,
  sync,
  sync_content,
  sync_file_system,
  rename,
  link,
  unlink,
  make_directory,
  truncate,
  allocate,
  punch_hole,
  close,
  list,
  status,
  free_space,
};
inline constexpr std::size_t call_kinds = 17;
std::string_view name_of(Call call);

enum class Lasting { once, always };

class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& below) : below_(below) {}

  // The `nth` (from 1) call of this kind from now on fails with `os_error`.
  void fail(Call call, std::uint64_t nth, int os_error, Lasting lasting = Lasting::once);
  // Each pwrite or pread moves at most this many bytes from now on; 0 takes the bound away.
  void shorten_writes(std::size_t bytes_max);
  void shorten_reads(std::size_t bytes_max);
  // Reported by free_space in place of what the file system says, until heal().
  void pretend_free_space(std::uint64_t bytes);
  // Calls of this kind wait, once begun and written down, until let_go().
  void hold(Call call);
  void let_go();
  // Reported by kind in place of what the file system is, until heal().
  void pretend_kind(FileSystemKind kind);
  // No faults, no short calls, nothing pretended.
  void heal();

  std::uint64_t count(Call call) const;
  std::uint64_t syncs() const;  // fsync, fdatasync and syncfs together
  std::vector<std::string> calls() const;
  void forget_calls();  // the record and the counts

  Result<UniqueFd> open(int directory, const std::string& path, int flags, mode_t mode) override;
  Result<std::size_t> pwrite(int fd, std::string_view bytes, std::uint64_t offset) override;
  Result<std::size_t> pread(int fd, char* to, std::size_t size, std::uint64_t offset) override;
  Result<void> sync(int fd) override;
  Result<void> sync_content(int fd) override;
  Result<void> sync_file_system(int fd) override;
  Result<void> rename(int from_directory, const std::string& from, int to_directory,
                      const std::string& to) override;
  Result<void> link(int fd, int directory, const std::string& to) override;
  Result<void> unlink(int directory, const std::string& path) override;
  Result<void> make_directory(int directory, const std::string& path, mode_t mode) override;
  Result<void> truncate(int fd, std::uint64_t size) override;
  Result<void> allocate(int fd, std::uint64_t offset, std::uint64_t size) override;
  Result<void> punch_hole(int fd, std::uint64_t offset, std::uint64_t size) override;
  Result<void> close(UniqueFd fd) override;
  Result<std::vector<std::string>> list(int directory, const std::string& path) override;
  Result<FileStatus> status(int fd) override;
  Result<FreeSpace> free_space(int fd) override;
  Result<FileSystemKind> kind(int fd) override;

 private:
  struct Fault {
    std::uint64_t calls_left = 0;  // 0: none planted
    int os_error = 0;
    Lasting lasting = Lasting::once;
  };

  // Records and counts the call; the error if a planted fault is due.
  Result<void> enter(Call call, const std::string& detail);
  std::string name_of_fd(int fd) const;
  Result<void> on_fd(Call call, int fd, Result<void> (FileSystem::*operation)(int));

  FileSystem& below_;
  mutable std::mutex mutex_;
  std::array<Fault, call_kinds> faults_{};
  std::array<std::uint64_t, call_kinds> counts_{};
  std::vector<std::string> calls_;
  std::map<int, std::string> names_;
  std::size_t write_max_ = 0;
  std::size_t read_max_ = 0;
  std::array<bool, call_kinds> held_{};
  std::condition_variable let_go_;
  bool pretends_space_ = false;
  std::uint64_t pretended_space_ = 0;
  std::optional<FileSystemKind> pretended_kind_;
};

}  // namespace brevdue::tests

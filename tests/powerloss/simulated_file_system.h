// A file system in memory behind the seam, with a power supply: bytes and names are durable once
// what was promised for them has been asked for, and not a moment earlier.
//
// Content: fsync, fdatasync or syncfs. A name, new, renamed or removed: fsync of its directory, or
// syncfs; where the kind is ext4, xfs or btrfs a new name also with its file. What is not durable
// survives a cut by chance: whole writes, torn ones, none; names each by itself, or, as a journal
// has it, in their order up to some point. lose_memory() after a cut or without one leaves what is
// durable, and what chance let survive. Descriptors are real ones, of nothing. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "core/file_system.h"
#include "tests/powerloss/store_machine.h"

namespace brevdue::powerloss {

class SimulatedFileSystem final : public FileSystem {
 public:
  SimulatedFileSystem(FileSystemKind kind, std::uint64_t seed);

  void arm_cut(std::uint64_t nth, std::size_t sector);
  bool has_power() const;
  void lose_memory();
  void plan(const Fault& fault);
  bool fault_happened() const;

  Result<UniqueFd> open(int directory, const std::string& path, int flags, mode_t mode) override;
  Result<std::size_t> pwrite(int fd, std::string_view bytes, std::uint64_t offset) override;
  Result<std::size_t> pread(int fd, char* to, std::size_t size, std::uint64_t offset) override;
  Result<void> sync(int fd) override { return asked(&SimulatedFileSystem::sync_file, fd); }
  Result<void> sync_content(int fd) override { return sync(fd); }
  Result<void> sync_file_system(int fd) override {
    return asked(&SimulatedFileSystem::sync_everything, fd);
  }
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
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  using Names = std::map<std::string, NodePtr>;
  struct Write {
    std::uint64_t offset;
    std::string bytes;
  };
  struct Node {
    bool is_directory = false;
    std::uint64_t number = 0;
    std::string content;  // as a running program sees it
    std::string durable;
    std::vector<Write> unsynced;
    Names names;
    Names durable_names;
  };
  // A new name (`node`), or one that is gone (null), or both at once for a rename.
  struct NameChange {
    NodePtr directory;
    std::string name;
    NodePtr node;
    NodePtr from_directory;
    std::string from;
  };
  enum class Happens { yes, cut };

  // Counts a change; an error if it fails, `cut` if the power goes in the middle of it.
  Result<Happens> enter(const std::string& call);
  // As this build asks for a sync.
  Result<void> asked(Result<void> (SimulatedFileSystem::*sync)(int), int fd);
  Result<void> sync_file(int fd);
  Result<void> sync_everything(int fd);
  NodePtr node_of(int fd) const;
  NodePtr directory_of(int directory) const;
  Result<UniqueFd> descriptor_for(NodePtr node);
  void change_name(NameChange change);
  static void apply(const NameChange& change, bool durably);
  void make_durable(Node& node);
  void survive(Node& node);
  void restart(const NodePtr& node);

  FileSystemKind kind_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  NodePtr root_;
  std::map<int, NodePtr> open_;
  std::vector<NameChange> name_changes_;  // not durable, oldest first
  std::uint64_t changes_ = 0;
  std::uint64_t cut_at_ = 0;
  std::size_t sector_ = 512;
  bool power_ = true;
  std::uint64_t last_number_ = 1;
  Fault fault_;
  std::uint64_t calls_until_fault_ = 0;
  bool fault_happened_ = false;
};

}  // namespace brevdue::powerloss

#include "tests/powerloss/simulated_file_system.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include <fcntl.h>

namespace brevdue::powerloss {

namespace {
bool keeps_name_with_file(FileSystemKind kind) {
  return kind == FileSystemKind::ext4 || kind == FileSystemKind::xfs ||
         kind == FileSystemKind::btrfs;
}

void put_at(std::string& content, std::uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
  content.replace(offset, bytes.size(), bytes);
}
}  // namespace

SimulatedFileSystem::SimulatedFileSystem(FileSystemKind kind, std::uint64_t seed)
    : kind_(kind), random_(seed), root_(std::make_shared<Node>()) {
  root_->is_directory = true;
  root_->number = last_number_;
}

void SimulatedFileSystem::arm_cut(std::uint64_t nth, std::size_t sector) {
  const std::lock_guard lock(mutex_);
  cut_at_ = changes_ + nth;
  sector_ = sector;
}

bool SimulatedFileSystem::has_power() const {
  const std::lock_guard lock(mutex_);
  return power_;
}

void SimulatedFileSystem::plan(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  calls_until_fault_ = fault.nth;
  fault_happened_ = false;
}

bool SimulatedFileSystem::fault_happened() const {
  const std::lock_guard lock(mutex_);
  return fault_happened_;
}

Result<SimulatedFileSystem::Happens> SimulatedFileSystem::enter(const std::string& call) {
  if (!power_) return fail_os(EIO, call + ": no power");
  if (++changes_ == cut_at_) {
    power_ = false;
    return Happens::cut;
  }
  if (calls_until_fault_ > 0 && fault_.call == call) {
    if (calls_until_fault_ > 1) {
      --calls_until_fault_;
    } else {
      fault_happened_ = true;
      if (!fault_.lasting) calls_until_fault_ = 0;
      if (fault_.os_error != 0) return fail_os(fault_.os_error, call + ": planned");
    }
  }
  return Happens::yes;
}

SimulatedFileSystem::NodePtr SimulatedFileSystem::node_of(int fd) const {
  const auto at = open_.find(fd);
  BREVDUE_ASSERT(at != open_.end());
  return at->second;
}

SimulatedFileSystem::NodePtr SimulatedFileSystem::directory_of(int directory) const {
  return directory == AT_FDCWD ? root_ : node_of(directory);
}

// A number of a file that was closed comes again; nobody else has it.
Result<UniqueFd> SimulatedFileSystem::descriptor_for(NodePtr node) {
  UniqueFd fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!fd) return fail_os(errno, "/dev/null");
  open_[fd.get()] = std::move(node);
  return fd;
}

void SimulatedFileSystem::apply(const NameChange& change, bool durably) {
  const auto names = [durably](Node& directory) -> Names& {
    return durably ? directory.durable_names : directory.names;
  };
  if (change.from_directory) names(*change.from_directory).erase(change.from);
  if (change.node) {
    names(*change.directory)[change.name] = change.node;
  } else {
    names(*change.directory).erase(change.name);
  }
}

void SimulatedFileSystem::change_name(NameChange change) {
  apply(change, false);
  name_changes_.push_back(std::move(change));
}

Result<UniqueFd> SimulatedFileSystem::open(int directory, const std::string& path, int flags,
                                           mode_t) {
  const std::lock_guard lock(mutex_);
  const NodePtr parent = directory_of(directory);
  if (path == "." || path == "..") return descriptor_for(path == "." ? parent : root_);
  const auto at = parent->names.find(path);
  if (at != parent->names.end()) {
    if ((flags & O_EXCL) != 0) return fail_os(EEXIST, path);
    if ((flags & O_TRUNC) != 0) at->second->content.clear();
    return descriptor_for(at->second);
  }
  if ((flags & O_CREAT) == 0) return fail_os(ENOENT, path);
  auto happens = enter("open");
  if (!happens) return propagate(std::move(happens.error()));
  auto node = std::make_shared<Node>();
  node->number = ++last_number_;
  change_name({parent, path, node, nullptr, {}});
  if (*happens == Happens::cut) return fail_os(EIO, "power cut");
  return descriptor_for(node);
}

Result<std::size_t> SimulatedFileSystem::pwrite(int fd, std::string_view bytes,
                                                std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const bool ends_short = fault_.call == "write" && fault_.os_error == 0;
  const bool happened = fault_happened_;
  auto happens = enter("write");
  if (!happens) return propagate(std::move(happens.error()));
  if (ends_short && fault_happened_ && (fault_.lasting || !happened)) {
    bytes = bytes.substr(0, std::max<std::size_t>(1, bytes.size() / 2));
  }
  const NodePtr node = node_of(fd);
  put_at(node->content, offset, bytes);
  node->unsynced.push_back({offset, std::string(bytes)});
  if (*happens == Happens::cut) return fail_os(EIO, "power cut");
  return bytes.size();
}

Result<std::size_t> SimulatedFileSystem::pread(int fd, char* to, std::size_t size,
                                               std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const NodePtr node = node_of(fd);
  if (offset >= node->content.size()) return 0;
  return node->content.copy(to, size, offset);
}

void SimulatedFileSystem::make_durable(Node& node) {
  node.durable = node.content;
  node.unsynced.clear();
}

Result<void> SimulatedFileSystem::asked(Result<void> (SimulatedFileSystem::*sync)(int), int fd) {
  auto done = (this->*sync)(fd);
  return done || !sync_habits().retries ? done : (this->*sync)(fd);
}

Result<void> SimulatedFileSystem::sync_file(int fd) {
  const std::lock_guard lock(mutex_);
  const NodePtr node = node_of(fd);
  if (node->is_directory && sync_habits().leaves_out_directories) return {};
  auto happens = enter("sync");
  if (!happens) {
    // The pages are clean now, and nowhere else.
    if (power_) node->unsynced.clear();
    return propagate(std::move(happens.error()));
  }
  if (*happens == Happens::cut) return fail_os(EIO, "power cut");
  const auto is_durable = [&](const NameChange& change) {
    if (node->is_directory) return change.directory == node || change.from_directory == node;
    return change.node == node && !change.from_directory && keeps_name_with_file(kind_);
  };
  for (const NameChange& change : name_changes_) {
    if (is_durable(change)) apply(change, true);
  }
  std::erase_if(name_changes_, is_durable);
  if (!node->is_directory) make_durable(*node);
  return {};
}

Result<void> SimulatedFileSystem::sync_everything(int) {
  const std::lock_guard lock(mutex_);
  auto happens = enter("syncfs");
  const bool lost = !happens && power_;
  if (happens && *happens == Happens::cut) return fail_os(EIO, "power cut");
  std::set<NodePtr> nodes;
  const auto collect = [&](const auto& self, const NodePtr& node) -> void {
    if (!nodes.insert(node).second) return;
    for (const auto& [name, child] : node->names) self(self, child);
  };
  if (happens || lost) collect(collect, root_);
  for (const NodePtr& node : nodes) {
    if (lost) {
      node->unsynced.clear();
    } else {
      make_durable(*node);
    }
  }
  if (!happens) return propagate(std::move(happens.error()));
  for (const NameChange& change : name_changes_) apply(change, true);
  name_changes_.clear();
  return {};
}

Result<void> SimulatedFileSystem::rename(int from_directory, const std::string& from,
                                         int to_directory, const std::string& to) {
  const std::lock_guard lock(mutex_);
  auto happens = enter("rename");
  if (!happens) return propagate(std::move(happens.error()));
  const NodePtr source = directory_of(from_directory);
  const auto at = source->names.find(from);
  if (at == source->names.end()) return fail_os(ENOENT, from);
  change_name({directory_of(to_directory), to, at->second, source, from});
  if (*happens == Happens::cut) return fail_os(EIO, "power cut");
  return {};
}

Result<void> SimulatedFileSystem::unlink(int directory, const std::string& path) {
  const std::lock_guard lock(mutex_);
  auto happens = enter("unlink");
  if (!happens) return propagate(std::move(happens.error()));
  const NodePtr parent = directory_of(directory);
  if (!parent->names.contains(path)) return fail_os(ENOENT, path);
  change_name({parent, path, nullptr, nullptr, {}});
  if (*happens == Happens::cut) return fail_os(EIO, "power cut");
  return {};
}

Result<void> SimulatedFileSystem::make_directory(int directory, const std::string& path, mode_t) {
  const std::lock_guard lock(mutex_);
  const NodePtr parent = directory_of(directory);
  if (parent->names.contains(path)) return fail_os(EEXIST, path);
  auto happens = enter("mkdir");
  if (!happens) return propagate(std::move(happens.error()));
  auto node = std::make_shared<Node>();
  node->is_directory = true;
  node->number = ++last_number_;
  change_name({parent, path, node, nullptr, {}});
  if (*happens == Happens::cut) return fail_os(EIO, "power cut");
  return {};
}

Result<void> SimulatedFileSystem::truncate(int fd, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  auto happens = enter("truncate");
  if (!happens) return propagate(std::move(happens.error()));
  const NodePtr node = node_of(fd);
  node->content.resize(size);
  // Metadata: by chance it is durable at once, else with the next sync of the file.
  if (random_() % 2 == 0) {
    node->durable.resize(std::min<std::size_t>(node->durable.size(), size));
    std::erase_if(node->unsynced, [&](const Write& write) { return write.offset >= size; });
  }
  if (*happens == Happens::cut) return fail_os(EIO, "power cut");
  return {};
}

Result<std::vector<std::string>> SimulatedFileSystem::list(int directory, const std::string& path) {
  const std::lock_guard lock(mutex_);
  NodePtr node = directory_of(directory);
  if (path != ".") node = node->names.at(path);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

Result<FileStatus> SimulatedFileSystem::status(int fd) {
  const std::lock_guard lock(mutex_);
  const NodePtr node = node_of(fd);
  return FileStatus{node->content.size(), node->is_directory ? 0700u : 0600u, 0, 1, node->number};
}

Result<FreeSpace> SimulatedFileSystem::free_space(int) {
  return FreeSpace{std::uint64_t{1} << 30, std::uint64_t{1} << 31, 1'000'000};
}

Result<FileSystemKind> SimulatedFileSystem::kind(int) {
  return kind_;
}

Result<void> SimulatedFileSystem::close(UniqueFd) {
  return {};
}

// No backend behind the seam asks for these; who comes to need one gets to know it.
Result<void> SimulatedFileSystem::link(int, int, const std::string&) {
  return fail_os(EOPNOTSUPP, "link");
}
Result<void> SimulatedFileSystem::allocate(int, std::uint64_t, std::uint64_t) {
  return fail_os(EOPNOTSUPP, "fallocate");
}
Result<void> SimulatedFileSystem::punch_hole(int, std::uint64_t, std::uint64_t) {
  return fail_os(EOPNOTSUPP, "punch a hole");
}

// Of each write all, nothing, or some sectors; a size may be durable before what it covers.
void SimulatedFileSystem::survive(Node& node) {
  for (const Write& write : std::exchange(node.unsynced, {})) {
    const std::uint64_t fate = random_() % 3;
    if (fate == 0) continue;
    for (std::size_t at = 0; at < write.bytes.size(); at += sector_) {
      if (fate == 2 && random_() % 2 == 0) continue;
      put_at(node.durable, write.offset + at, std::string_view(write.bytes).substr(at, sector_));
    }
  }
  if (random_() % 2 == 0 && node.durable.size() < node.content.size()) {
    node.durable.resize(node.content.size(), '\0');
  }
}

void SimulatedFileSystem::restart(const NodePtr& node) {
  survive(*node);
  node->content = node->durable;
  node->names = node->durable_names;
  for (const auto& [name, child] : node->names) restart(child);
}

void SimulatedFileSystem::lose_memory() {
  const std::lock_guard lock(mutex_);
  const bool in_order = random_() % 2 == 0;
  const std::size_t kept = random_() % (name_changes_.size() + 1);
  for (std::size_t i = 0; i < name_changes_.size(); ++i) {
    if (in_order ? i < kept : random_() % 2 == 0) apply(name_changes_[i], true);
  }
  name_changes_.clear();
  open_.clear();
  restart(root_);
  power_ = true;
  cut_at_ = 0;
  calls_until_fault_ = 0;
}

}  // namespace brevdue::powerloss

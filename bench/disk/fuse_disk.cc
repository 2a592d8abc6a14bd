#include "bench/disk/fuse_disk.h"

#define FUSE_USE_VERSION 35
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <poll.h>
#include <unistd.h>

namespace brevdue::disk {

namespace {

constexpr fuse_ino_t disk_inode = 2;
constexpr unsigned largest_request = 1 << 20;
constexpr double forever = 86400;

Disk& disk_of(fuse_req_t request) {
  return *static_cast<Disk*>(fuse_req_userdata(request));
}

int errno_of(const Error& error) {
  return error.os_error > 0 ? error.os_error : EIO;
}

// The reply functions fail only when the request was interrupted or the file system is gone; there
// is nobody left to tell then.
void reply_error(fuse_req_t request, int os_error) {
  static_cast<void>(fuse_reply_err(request, os_error));
}

struct stat attributes(fuse_req_t request, fuse_ino_t inode) {
  struct stat status{};
  status.st_ino = inode;
  status.st_uid = ::getuid();
  status.st_gid = ::getgid();
  if (inode == FUSE_ROOT_ID) {
    status.st_mode = S_IFDIR | 0700;
    status.st_nlink = 2;
  } else {
    status.st_mode = S_IFREG | 0600;
    status.st_nlink = 1;
    status.st_size = static_cast<off_t>(disk_of(request).size());
    status.st_blocks = status.st_size / 512;
    status.st_blksize = 4096;
  }
  return status;
}

void on_init(void*, fuse_conn_info* connection) {
  // Spliced requests would arrive in pipes; one copy into our buffer is what the cache needs.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                                             FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
  connection->max_write = largest_request;
  connection->max_background = 256;
  connection->congestion_threshold = 256;
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (parent != FUSE_ROOT_ID || std::strcmp(name, "disk") != 0) {
    return reply_error(request, ENOENT);
  }
  fuse_entry_param entry{};
  entry.ino = disk_inode;
  entry.attr = attributes(request, disk_inode);
  entry.attr_timeout = forever;
  entry.entry_timeout = forever;
  static_cast<void>(fuse_reply_entry(request, &entry));
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  const struct stat status = attributes(request, inode);
  static_cast<void>(fuse_reply_attr(request, &status, forever));
}

// Times may be set and are not kept; the size of a disk cannot be.
void on_setattr(fuse_req_t request, fuse_ino_t inode, struct stat*, int what, fuse_file_info*) {
  const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |
                    FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME;
  if ((what & ~times) != 0) return reply_error(request, EPERM);
  on_getattr(request, inode, nullptr);
}

void on_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, fuse_file_info*) {
  if (inode != FUSE_ROOT_ID) return reply_error(request, ENOTDIR);
  constexpr std::array names{".", "..", "disk"};
  constexpr std::array inodes{fuse_ino_t{FUSE_ROOT_ID}, fuse_ino_t{FUSE_ROOT_ID}, disk_inode};
  std::vector<char> buffer(size);
  std::size_t used = 0;
  for (auto i = static_cast<std::size_t>(offset); i < names.size(); ++i) {
    const struct stat status = attributes(request, inodes[i]);
    const std::size_t length = fuse_add_direntry(request, buffer.data() + used, size - used,
                                                 names[i], &status, static_cast<off_t>(i + 1));
    if (length > size - used) break;
    used += length;
  }
  static_cast<void>(fuse_reply_buf(request, buffer.data(), used));
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  if (inode != disk_inode) return reply_error(request, EISDIR);
  file->direct_io = 1;
  static_cast<void>(fuse_reply_open(request, file));
}

void on_read(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
  Disk& disk = disk_of(request);
  const auto begin = std::min(static_cast<std::uint64_t>(offset), disk.size());
  const auto length = std::min<std::uint64_t>(size, disk.size() - begin);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(length);
  auto done = disk.read(begin, {buffer.get(), static_cast<std::size_t>(length)});
  if (!done) return reply_error(request, errno_of(done.error()));
  static_cast<void>(fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.get()), length));
}

void on_write(fuse_req_t request, fuse_ino_t, const char* content, size_t size, off_t offset,
              fuse_file_info* file) {
  const bool through = (file->flags & (O_DSYNC | O_SYNC)) != 0;
  auto done = disk_of(request).write(static_cast<std::uint64_t>(offset),
                                     std::as_bytes(std::span(content, size)), through);
  if (!done) return reply_error(request, errno_of(done.error()));
  static_cast<void>(fuse_reply_write(request, size));
}

void on_fsync(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) {
  auto done = disk_of(request).flush();
  reply_error(request, done ? 0 : errno_of(done.error()));
}

void on_statfs(fuse_req_t request, fuse_ino_t) {
  struct statvfs status{};
  status.f_bsize = status.f_frsize = 512;
  status.f_blocks = disk_of(request).size() / 512;
  status.f_files = 1;
  status.f_namemax = 255;
  static_cast<void>(fuse_reply_statfs(request, &status));
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops{};
  ops.init = on_init;
  ops.lookup = on_lookup;
  ops.getattr = on_getattr;
  ops.setattr = on_setattr;
  ops.readdir = on_readdir;
  ops.open = on_open;
  ops.read = on_read;
  ops.write = on_write;
  ops.fsync = on_fsync;
  ops.statfs = on_statfs;
  return ops;
}

}  // namespace

Result<std::unique_ptr<FuseDisk>> FuseDisk::mount(const std::string& directory, Disk& disk) {
  std::string program = "brevdue-disk";
  std::string option = "-ofsname=brevdue-disk,subtype=brevdue";
  std::array<char*, 2> arguments{program.data(), option.data()};
  fuse_args args = FUSE_ARGS_INIT(static_cast<int>(arguments.size()), arguments.data());
  const fuse_lowlevel_ops ops = operations();
  fuse_session* session = fuse_session_new(&args, &ops, sizeof ops, &disk);
  fuse_opt_free_args(&args);
  if (session == nullptr) return fail(ErrorCode::unavailable, "FUSE refuses a session");
  std::unique_ptr<FuseDisk> mounted(new FuseDisk(session));
  if (fuse_session_mount(session, directory.c_str()) != 0) {
    return fail(ErrorCode::unavailable,
                "mount FUSE on " + directory + " (is /dev/fuse there, and the directory empty?)");
  }
  mounted->mounted_ = true;
  // A request that is withdrawn between poll and read must not block the loop.
  const int fd = fuse_session_fd(session);
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail_os(errno, "make the FUSE device non-blocking");
  }
  return mounted;
}

FuseDisk::~FuseDisk() {
  if (mounted_) fuse_session_unmount(session_);
  fuse_session_destroy(session_);
}

Result<void> FuseDisk::serve(int stop) {
  fuse_buf buffer{};
  Result<void> outcome;
  while (fuse_session_exited(session_) == 0) {
    std::array<pollfd, 2> waiting{{{fuse_session_fd(session_), POLLIN, 0}, {stop, POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      outcome = fail_os(errno, "wait for requests");
      break;
    }
    if (waiting[1].revents != 0) break;
    const int received = fuse_session_receive_buf(session_, &buffer);
    if (received == -EAGAIN || received == -EINTR) continue;
    if (received < 0) {
      outcome = fail_os(-received, "receive a request");
      break;
    }
    if (received == 0) break;
    fuse_session_process_buf(session_, &buffer);
  }
  std::free(buffer.mem);
  return outcome;
}

}  // namespace brevdue::disk

#include "queue/spool_directory.h"

#include <cerrno>
#include <charconv>

#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/uuid.h"

namespace brevdue::queue {

namespace {
constexpr std::size_t format_bytes_max = 512;
constexpr std::string_view first_line = "brevdue-spool 1\n";

struct Format {
  std::string backend;
  unsigned version = 0;
};

Result<Format> parse_format(const std::string& text, const std::string& path) {
  const std::string_view expected = first_line;
  if (!text.starts_with("brevdue-spool ")) {
    return fail(ErrorCode::corrupt, path + "/FORMAT is not that of a Brevdue spool");
  }
  if (!text.starts_with(expected)) {
    return fail(ErrorCode::unsupported,
                path + " was made by a newer Brevdue; upgrade, or name another queue.path");
  }
  const std::size_t start = expected.size();
  const std::size_t end = text.find('\n', start);
  const std::string line = text.substr(start, end == std::string::npos ? end : end - start);
  const std::size_t space = line.rfind(' ');
  Format format;
  if (!line.starts_with("backend ") || space <= 8 || space == std::string::npos) {
    return fail(ErrorCode::corrupt, path + "/FORMAT names no backend");
  }
  format.backend = line.substr(8, space - 8);
  const char* last = line.data() + line.size();
  const auto [stop, error] = std::from_chars(line.data() + space + 1, last, format.version);
  if (error != std::errc() || stop != last) {
    return fail(ErrorCode::corrupt, path + "/FORMAT names no version of its backend");
  }
  return format;
}

Result<void> ensure_directory(FileSystem& files, int at, const std::string& path) {
  auto made = files.make_directory(at, path, 0700);
  if (!made && made.error().code != ErrorCode::already_exists) return made;
  return {};
}
}  // namespace

Result<std::string> SpoolDirectory::backend_of(FileSystem& files, const std::string& path) {
  auto text = read_file(files, AT_FDCWD, path + "/FORMAT", format_bytes_max);
  if (!text) return propagate(std::move(text.error()));
  auto format = parse_format(*text, path);
  if (!format) return propagate(std::move(format.error()));
  return format->backend;
}

Result<void> SpoolDirectory::take_lock(FileSystem& files) {
  auto lock = files.open(directory_.get(), "lock", O_RDWR | O_CREAT, 0600);
  if (!lock) return propagate(std::move(lock.error()), path_);
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_os(errno, "flock " + path_ + "/lock");
    char holder[32] = {};
    auto size = read_all(files, lock->get(), holder, sizeof holder - 1, 0);
    const std::string pid = size && *size > 0 ? std::string(holder, *size) : "unknown";
    return fail(ErrorCode::busy, fmt::format("spool {} is held by process {}; stop it first", path_,
                                             pid.substr(0, pid.find('\n'))));
  }
  lock_ = std::move(*lock);
  if (auto done = files.truncate(lock_.get(), 0); !done) return done;
  return write_all(files, lock_.get(), fmt::format("{}\n", ::getpid()), 0);
}

// Written without the other side, it would have mail that the mirror does not know of.
Result<void> SpoolDirectory::check_mirror(FileSystem& files) {
  const auto record = files.open(directory_.get(), "mirror", O_RDONLY, 0);
  if (!record && record.error().code == ErrorCode::not_found) return {};
  if (!record) return propagate(record.error(), path_);
  return fail(ErrorCode::unsupported,
              fmt::format("spool {0} is one side of a mirror; set queue.backend = \"mirror\" and "
                          "name both sides in queue.mirror.paths, or, to go on with this side "
                          "alone, remove {0}/mirror",
                          path_));
}

Result<void> SpoolDirectory::check_format(FileSystem& files, const SpoolOptions& options) {
  auto text = read_file(files, directory_.get(), "FORMAT", format_bytes_max);
  if (!text && text.error().code != ErrorCode::not_found) {
    return propagate(std::move(text.error()), path_);
  }
  if (!text) {
    if (options.read_only) return fail(ErrorCode::not_found, path_ + " holds no Brevdue spool");
    created_ = true;
    const std::string fresh = fmt::format("{}backend {} {}\nuuid {}\n", first_line, options.backend,
                                          options.backend_version, random_uuid());
    return replace_file(files, directory_.get(), "FORMAT", fresh, 0600);
  }
  auto format = parse_format(*text, path_);
  if (!format) return propagate(std::move(format.error()));
  if (format->backend != options.backend) {
    return fail(ErrorCode::unsupported,
                fmt::format("spool {} holds mail of backend \"{}\", the config says \"{}\"; set "
                            "queue.backend = \"{}\" or name another queue.path",
                            path_, format->backend, options.backend, format->backend));
  }
  if (format->version != options.backend_version) {
    return fail(ErrorCode::unsupported,
                fmt::format("spool {} has version {} of backend \"{}\", this build knows version "
                            "{}; use the Brevdue that made it to drain it",
                            path_, format->version, format->backend, options.backend_version));
  }
  return {};
}

Result<SpoolDirectory> SpoolDirectory::open(FileSystem& files, const SpoolOptions& options) {
  SpoolDirectory spool;
  spool.path_ = options.path;
  spool.backend_ = options.backend;
  if (!options.read_only) {
    if (auto made = ensure_directory(files, AT_FDCWD, options.path); !made) {
      return propagate(std::move(made.error()), "create the spool");
    }
  }
  auto directory = files.open(AT_FDCWD, options.path, O_RDONLY | O_DIRECTORY, 0);
  if (!directory) return propagate(std::move(directory.error()), "open the spool");
  spool.directory_ = std::move(*directory);
  if (options.read_only) {
    // Before the lock, which would leave a file in a directory that is no spool.
    if (auto good = spool.check_format(files, options); !good) {
      return propagate(std::move(good.error()));
    }
    if (!options.side_of_mirror) {
      if (auto alone = spool.check_mirror(files); !alone) return propagate(alone.error());
    }
    if (auto locked = spool.take_lock(files); !locked) return propagate(std::move(locked.error()));
    return spool;
  }
  if (auto locked = spool.take_lock(files); !locked) return propagate(std::move(locked.error()));
  if (auto good = spool.check_format(files, options); !good) {
    return propagate(std::move(good.error()));
  }
  if (!options.side_of_mirror) {
    if (auto alone = spool.check_mirror(files); !alone) return propagate(alone.error());
  }
  for (const char* name : {"staged", "quarantine", options.backend.c_str()}) {
    if (auto made = ensure_directory(files, spool.fd(), name); !made) {
      return propagate(std::move(made.error()), options.path);
    }
  }
  if (auto synced = files.sync(spool.fd()); !synced) {
    return propagate(std::move(synced.error()), options.path);
  }
  return spool;
}

}  // namespace brevdue::queue

#include "queue/staging.h"

#include <utility>

#include <fcntl.h>

#include "core/crc32c.h"

namespace brevdue::queue {

// Touched by one thread at a time: the writing one, and from finish() on the syncing one.
class StagedFile {
 public:
  explicit StagedFile(mail::QueueId id) : id(id) {}

  const mail::QueueId id;
  UniqueFd fd;
  std::string temporary_name;  // where the file system has no unnamed files
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  bool failed = false;
  bool sealed = false;
};

Staging::Staging(FileSystem& files, std::string directory, EventLoop& loop)
    : files_(files), path_(std::move(directory)), loop_(loop) {}

Result<void> Staging::start() {
  auto directory = files_.open(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY, 0);
  if (!directory) return propagate(std::move(directory.error()), "staging");
  directory_ = std::move(*directory);
  auto names = files_.list(directory_.get(), ".");
  if (!names) return propagate(std::move(names.error()), "staging");
  found_ = std::move(*names);
  return {};
}

// What the syncing thread lets go of is closed by the writing one: the latter must outlive it, but
// gives it work until then.
Staging::~Staging() {
  writer_.wait_until_idle();
  syncer_.wait_until_idle();
}

std::move_only_function<void()> Staging::task_of(std::move_only_function<Result<void>()> task,
                                                 Done done) {
  return [this, task = std::move(task), done = std::move(done)]() mutable {
    loop_.post([done = std::move(done), result = task()]() mutable { done(std::move(result)); });
  };
}

void Staging::run(std::move_only_function<Result<void>()> task, Done done) {
  writer_.push(task_of(std::move(task), std::move(done)));
}

std::shared_ptr<StagedFile> Staging::open(mail::QueueId id) {
  // A file given up half-way is closed, and its temporary name removed, on the writing thread.
  auto* file = new StagedFile(id);
  return {file, [this](StagedFile* abandoned) {
            writer_.push([this, owned = std::unique_ptr<StagedFile>(abandoned)] {
              if (!owned->sealed && !owned->temporary_name.empty()) {
                static_cast<void>(files_.unlink(directory_.get(), owned->temporary_name));
              }
            });
          }};
}

Result<void> Staging::make(StagedFile& file) {
  if (unnamed_files_) {
    auto fd = files_.open(directory_.get(), ".", O_RDWR | O_TMPFILE, 0600);
    if (!fd && fd.error().code == ErrorCode::storage_full) return propagate(std::move(fd.error()));
    if (fd) {
      file.fd = std::move(*fd);
      return {};
    }
  }
  std::string name = file.id.text() + ".part";
  auto fd = files_.open(directory_.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!fd) return propagate(std::move(fd.error()));
  file.fd = std::move(*fd);
  file.temporary_name = std::move(name);
  return {};
}

std::uint64_t Staging::room() {
  const auto space = files_.free_space(directory_.get());
  return space && space->bytes > kept_free_ ? space->bytes - kept_free_ : 0;
}

Result<void> Staging::check_space(std::size_t wanted) {
  if (kept_free_ == 0) return {};
  auto space = files_.free_space(directory_.get());
  if (!space) return propagate(std::move(space.error()));
  if (space->bytes >= kept_free_ + wanted) return {};
  return fail(ErrorCode::storage_full, "what is free is kept for results of deliveries");
}

Result<void> Staging::write(StagedFile& file, const SharedBytes& chunk) {
  if (file.failed) return fail(ErrorCode::io_failure, "staged file failed before");
  file.failed = true;
  if (auto space = check_space(chunk.size()); !space) {
    return propagate(std::move(space.error()), "staging " + file.id.text());
  }
  if (!file.fd) {
    if (auto made = make(file); !made) {
      return propagate(std::move(made.error()), "staging " + file.id.text());
    }
  }
  if (auto done = write_all(files_, file.fd.get(), chunk.view(), file.size); !done) {
    return propagate(std::move(done.error()), "staging " + file.id.text());
  }
  file.size += chunk.size();
  file.crc = crc32c(chunk.view(), file.crc);
  file.failed = false;
  return {};
}

Result<void> Staging::seal(StagedFile& file, const mail::ContentFacts& expected) {
  const std::string name = file.id.text();
  if (file.failed || !file.fd) return fail(ErrorCode::io_failure, "staging " + name);
  file.failed = true;
  if (file.size != expected.size || file.crc != expected.crc32c) {
    return fail(ErrorCode::corrupt, "staging " + name + ": content is not what smtpd announced");
  }
  if (auto done = files_.sync(file.fd.get()); !done) {
    return propagate(std::move(done.error()), "staging " + name);
  }
  if (auto named = give_name(file, name); !named) {
    return propagate(std::move(named.error()), "staging");
  }
  file.sealed = true;
  if (auto done = files_.sync(directory_.get()); !done) {
    static_cast<void>(files_.unlink(directory_.get(), name));
    return propagate(std::move(done.error()), "staging directory");
  }
  return {};
}

Result<void> Staging::give_name(const StagedFile& file, const std::string& name) {
  if (file.temporary_name.empty()) {
    auto linked = files_.link(file.fd.get(), directory_.get(), name);
    if (linked || linked.error().code == ErrorCode::already_exists) return linked;
    // Where an unnamed file cannot be linked, the next ones have a name from the start.
    unnamed_files_ = false;
    return linked;
  }
  // A rename would take the place of a queued message's content.
  const auto taken = files_.open(directory_.get(), name, O_RDONLY, 0);
  if (taken) return fail(ErrorCode::already_exists, name);
  if (taken.error().code != ErrorCode::not_found) return propagate(taken.error());
  return files_.rename(directory_.get(), file.temporary_name, directory_.get(), name);
}

void Staging::append(std::shared_ptr<StagedFile> file, SharedBytes chunk, Done done) {
  run([this, file = std::move(file), chunk = std::move(chunk)] { return write(*file, chunk); },
      std::move(done));
}

void Staging::finish(std::shared_ptr<StagedFile> file, mail::ContentFacts expected, Done done) {
  auto sealing = [this, file = std::move(file), expected]() mutable {
    auto sealed = seal(*file, expected);
    file.reset();
    return sealed;
  };
  auto task = task_of(std::move(sealing), std::move(done));
  // Behind the chunks that are still to be written.
  writer_.push([this, task = std::move(task)]() mutable { syncer_.push(std::move(task)); });
}

void Staging::read(mail::QueueId id, Opened done) {
  writer_.push([this, id, done = std::move(done)]() mutable {
    auto fd = files_.open(directory_.get(), id.text(), O_RDONLY, 0);
    loop_.post([done = std::move(done), fd = std::move(fd)]() mutable { done(std::move(fd)); });
  });
}

void Staging::remove(mail::QueueId id) {
  // A file that cannot be unlinked now is found by the next start's sweep.
  writer_.push([this, id] { static_cast<void>(files_.unlink(directory_.get(), id.text())); });
}

void Staging::sweep(mail::QueueIdSet known) {
  writer_.push([this, known = std::move(known), names = std::exchange(found_, {})] {
    for (const std::string& name : names) {
      const auto id = mail::QueueId::parse(name);
      if (id && known.contains(*id)) continue;
      static_cast<void>(files_.unlink(directory_.get(), name));
    }
  });
}

}  // namespace brevdue::queue

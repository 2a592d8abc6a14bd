#include "queue/staging.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>

namespace brevdue::queue {

Staging::Staging(FileSystem& files, std::shared_ptr<SpoolSides> sides, EventLoop& loop)
    : files_(files), sides_(std::move(sides)), loop_(loop) {}

Result<void> Staging::start() {
  for (SpoolSidePtr& side : sides_->taking_part()) {
    auto names = files_.list(side->staged.get(), ".");
    if (!names) return propagate(std::move(names.error()), "staging");
    found_.push_back({std::move(side), std::move(*names)});
  }
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
  auto* file = new StagedFile(files_, *sides_, id, unnamed_files_);
  return {
      file, [this](StagedFile* abandoned) {
        writer_.push([owned = std::unique_ptr<StagedFile>(abandoned)]() mutable { owned.reset(); });
      }};
}

// The least of all sides.
std::uint64_t Staging::room() {
  std::uint64_t least = UINT64_MAX;
  for (const SpoolSidePtr& side : sides_->taking_part()) {
    const auto space = files_.free_space(side->staged.get());
    least = std::min(least, space ? space->bytes : 0);
  }
  return least != UINT64_MAX && least > kept_free_ ? least - kept_free_ : 0;
}

void Staging::append(std::shared_ptr<StagedFile> file, SharedBytes chunk, Done done) {
  run([this, file = std::move(file),
       chunk = std::move(chunk)] { return file->write(chunk, kept_free_); },
      std::move(done));
}

void Staging::finish(std::shared_ptr<StagedFile> file, mail::ContentFacts expected, Done done) {
  auto sealing = [file = std::move(file), expected]() mutable {
    auto sealed = file->seal(expected);
    file.reset();
    return sealed;
  };
  auto task = task_of(std::move(sealing), std::move(done));
  // Behind the chunks that are still to be written.
  writer_.push([this, task = std::move(task)]() mutable { syncer_.push(std::move(task)); });
}

void Staging::read(mail::QueueId id, Opened done) {
  writer_.push([this, id, done = std::move(done)]() mutable {
    Result<UniqueFd> fd = fail(ErrorCode::unavailable, id.text());
    for (const SpoolSidePtr& side : sides_->taking_part()) {
      fd = files_.open(side->staged.get(), id.text(), O_RDONLY, 0);
      if (fd) break;
    }
    loop_.post([done = std::move(done), fd = std::move(fd)]() mutable { done(std::move(fd)); });
  });
}

void Staging::remove(mail::QueueId id) {
  // A file that cannot be unlinked now is found by the next start's sweep.
  writer_.push([this, id] {
    for (const SpoolSidePtr& side : sides_->taking_part()) {
      static_cast<void>(files_.unlink(side->staged.get(), id.text()));
    }
  });
}

void Staging::for_each_stranger(mail::QueueIdSet known, Stranger stranger) {
  writer_.push([known = std::move(known), found = std::exchange(found_, {}),
                stranger = std::move(stranger)] {
    for (const auto& [side, names] : found) {
      for (const std::string& name : names) {
        const auto id = mail::QueueId::parse(name);
        if (!id || !known.contains(*id)) stranger(*side, name);
      }
    }
  });
}

void Staging::sweep(mail::QueueIdSet known) {
  for_each_stranger(std::move(known), [this](const SpoolSide& side, const std::string& name) {
    static_cast<void>(files_.unlink(side.staged.get(), name));
  });
}

void Staging::set_aside(mail::QueueIdSet known, Told told) {
  for_each_stranger(std::move(known), [this, told = std::move(told)](const SpoolSide& side,
                                                                     const std::string& name) {
    const std::string to = name + ".content";
    auto moved = files_.rename(side.staged.get(), name, side.quarantine.get(), to);
    std::string line =
        moved ? "quarantined " + side.path + "/quarantine/" + to +
                    ": its message was not found, which may be among what is damaged"
              : "quarantine: " + side.path + "/staged/" + name + ": " + describe(moved.error());
    loop_.post([told, line = std::move(line)] { told(line); });
  });
}

}  // namespace brevdue::queue

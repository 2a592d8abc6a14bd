#include "queue/staged_copy.h"

#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "mail/queue_id.h"

namespace brevdue::queue {

namespace {
constexpr std::size_t piece = 256u << 10;

Result<bool> exists(FileSystem& files, const SpoolSide& side, const std::string& name) {
  const auto fd = files.open(side.staged.get(), name, O_RDONLY, 0);
  if (fd) return true;
  if (fd.error().code == ErrorCode::not_found) return false;
  return propagate(fd.error(), side.path);
}

Result<void> copy_content(FileSystem& files, int from, int to, const CopyPace& pace) {
  std::vector<char> buffer(piece);
  for (std::uint64_t at = 0;;) {
    auto size = read_all(files, from, buffer.data(), buffer.size(), at);
    if (!size) return propagate(std::move(size.error()));
    if (*size == 0) return {};
    if (auto done = write_all(files, to, {buffer.data(), *size}, at); !done) return done;
    at += *size;
    if (!pace(*size)) return fail(ErrorCode::cancelled, "copying of staged content");
  }
}

// Under a name of its own until it is whole, so that one that is linked is.
Result<void> copy_one(FileSystem& files, const SpoolSide& from, const SpoolSide& to,
                      const std::string& name, const CopyPace& pace) {
  const auto source = files.open(from.staged.get(), name, O_RDONLY, 0);
  if (!source && source.error().code == ErrorCode::not_found) return {};
  if (!source) return propagate(source.error(), from.path);
  const std::string part = name + ".copy";
  auto copy = files.open(to.staged.get(), part, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (!copy) return propagate(std::move(copy.error()), to.path);
  auto done = copy_content(files, source->get(), copy->get(), pace);
  if (done) done = files.sync(copy->get());
  if (done) done = files.rename(to.staged.get(), part, to.staged.get(), name);
  if (!done) {
    static_cast<void>(files.unlink(to.staged.get(), part));
    return propagate(std::move(done.error()), to.path);
  }
  // Its message is gone meanwhile, and was removed on both sides before this was there.
  const auto still = exists(files, from, name);
  if (still && !*still) static_cast<void>(files.unlink(to.staged.get(), name));
  return {};
}
}  // namespace

Result<void> copy_staged(FileSystem& files, const SpoolSide& from, const SpoolSide& to,
                         const CopyPace& pace) {
  auto names = files.list(from.staged.get(), ".");
  if (!names) return propagate(std::move(names.error()), from.path);
  for (const std::string& name : *names) {
    if (!mail::QueueId::parse(name)) continue;
    const auto there = exists(files, to, name);
    if (!there) return propagate(there.error());
    if (*there) continue;
    if (auto done = copy_one(files, from, to, name, pace); !done) return done;
  }
  if (auto done = files.sync(to.staged.get()); !done) {
    return propagate(std::move(done.error()), to.path);
  }
  return {};
}

}  // namespace brevdue::queue

#include "bench/disk/serve.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/disk/control_server.h"
#include "bench/disk/fuse_disk.h"
#include "bench/disk/image_file.h"
#include "core/unique_fd.h"

namespace brevdue::disk {

namespace {

// Tells the process in front that the disk is ready; nothing to do in the foreground.
struct Readiness {
  UniqueFd pipe;

  Result<void> announce() {
    if (!pipe) return {};
    const UniqueFd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!nowhere || ::dup2(nowhere.get(), STDIN_FILENO) < 0 ||
        ::dup2(nowhere.get(), STDOUT_FILENO) < 0 || ::dup2(nowhere.get(), STDERR_FILENO) < 0) {
      return fail_os(errno, "leave the terminal");
    }
    if (::write(pipe.get(), "+", 1) != 1) return fail_os(errno, "report that the disk is ready");
    pipe.reset();
    return {};
  }
};

Result<void> block_signals() {
  sigset_t set;
  if (::sigemptyset(&set) != 0 || ::sigaddset(&set, SIGINT) != 0 ||
      ::sigaddset(&set, SIGTERM) != 0) {
    return fail_os(errno, "name the signals");
  }
  const int blocked = ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (blocked != 0) return fail_os(blocked, "block signals");
  return {};
}

Result<std::unique_ptr<Disk>> make_disk(const ServeOptions& options) {
  auto image = options.size != 0 ? ImageFile::create(options.image, options.size, options.sparse)
                                 : ImageFile::open(options.image);
  if (!image) return propagate(std::move(image.error()));
  std::optional<RecordWriter> record;
  if (!options.record.empty()) {
    auto created = RecordWriter::create(options.record, image->size(), options.record_limit);
    if (!created) return propagate(std::move(created.error()));
    record = std::move(*created);
  }
  return std::make_unique<Disk>(std::make_unique<ImageFile>(std::move(*image)), std::move(record),
                                options.disk);
}

Result<void> serve_here(const ServeOptions& options, Readiness readiness) {
  auto blocked = block_signals();
  if (!blocked) return blocked;
  auto disk = make_disk(options);
  if (!disk) return propagate(std::move(disk.error()));
  auto control = ControlServer::listen(options.control, **disk);
  if (!control) return propagate(std::move(control.error()));
  const UniqueFd stopped(::eventfd(0, EFD_CLOEXEC));
  if (!stopped) return fail_os(errno, "eventfd");
  auto fuse = FuseDisk::mount(options.mount, **disk);
  if (!fuse) return propagate(std::move(fuse.error()));
  // Memory that this process needs must not wait for pages to be written through this very disk.
  // Only root may ask for it, and only root can put a loop device on the file.
  static_cast<void>(::prctl(PR_SET_IO_FLUSHER, 1UL, 0UL, 0UL, 0UL));
  // A disk has a processor of its own: how long a request takes must not depend on who else wants
  // ours. Only root may ask for that too.
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, -20));
  if (!request_exact_wakeups()) return fail_os(errno, "ask for exact wake-ups");

  Result<void> controlled;
  Result<void> ended;
  std::jthread controller([&] {
    controlled = control->run();
    // A stalled request would keep the other thread: stop the disk first.
    ended = (*disk)->stop();
    static_cast<void>(::eventfd_write(stopped.get(), 1));
  });
  auto served = readiness.announce();
  if (served) served = (*fuse)->serve(stopped.get());
  control->stop();
  controller.join();
  fuse->reset();
  if (!served) return served;
  if (!controlled) return controlled;
  return ended;
}

// The process in front: relays the outcome of the start.
Result<void> await_ready(UniqueFd pipe, pid_t child) {
  char byte = 0;
  ssize_t got;
  while ((got = ::read(pipe.get(), &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got == 1) return {};
  int status = 0;
  if (::waitpid(child, &status, 0) < 0) return fail_os(errno, "wait for the disk");
  return fail(ErrorCode::unavailable, "the disk did not start");
}

}  // namespace

Result<void> serve(const ServeOptions& options) {
  if (!options.background) return serve_here(options, {});
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_os(errno, "make a pipe");
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail_os(errno, "fork");
  if (child > 0) {
    writing.reset();
    return await_ready(std::move(reading), child);
  }
  reading.reset();
  if (::setsid() < 0) return fail_os(errno, "setsid");
  return serve_here(options, {std::move(writing)});
}

}  // namespace brevdue::disk

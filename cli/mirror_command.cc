// `brevdue queue mirror …`
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/complaint.h"
#include "cli/control_client.h"
#include "cli/read_config.h"
#include "core/clock.h"
#include "core/file_system.h"
#include "core/log.h"
#include "daemon/spool.h"
#include "ipc/mirror_side_status.h"
#include "mirror/mirror_spool.h"

namespace brevdue::cli {

namespace {
using State = ipc::MirrorSideStatus::State;
using Sides = std::vector<ipc::MirrorSideStatus>;
constexpr int not_whole = 1;
constexpr std::chrono::milliseconds look_again{500};

std::string_view name_of(State state) {
  switch (state) {
    case State::current:
      return "current";
    case State::behind:
      return "behind";
    case State::left:
      break;
  }
  return "left";
}

std::string progress_text(const ipc::MirrorSideStatus& side) {
  const std::uint64_t all = side.messages + side.messages_left;
  const double seconds = std::chrono::duration<double>(side.elapsed).count();
  const double mebibytes = static_cast<double>(side.bytes) / (1 << 20);
  std::string text = fmt::format("{} of {} messages ({} %), {:.1f} MiB", side.messages, all,
                                 all == 0 ? 100 : side.messages * 100 / all, mebibytes);
  if (seconds < 1 || side.messages == 0) return text;
  text += fmt::format(", {:.1f} MiB/s", mebibytes / seconds);
  const double left =
      seconds * static_cast<double>(side.messages_left) / static_cast<double>(side.messages);
  return text + fmt::format(", about {:.0f} s left", left);
}

void print(const ipc::MirrorSideStatus& side) {
  switch (side.state) {
    case State::current:
      return fmt::print("{}  current\n", side.path);
    case State::behind:
      return fmt::print("{}  behind: {}\n", side.path, progress_text(side));
    case State::left:
      break;
  }
  fmt::print("{}  left{}{}\n", side.path, side.why.empty() ? "" : ": ", side.why);
  fmt::print(
      "  when its disk is well again: brevdue queue mirror resync; with a new disk there: brevdue "
      "queue mirror attach {}\n",
      side.path);
}

void print_json(const ipc::MirrorSideStatus& side) {
  std::string why;
  for (const char character : side.why) {
    if (character == '"' || character == '\\') why += '\\';
    why += static_cast<unsigned char>(character) < ' ' ? ' ' : character;
  }
  fmt::print(R"({{"path":"{}","state":"{}","epoch":{},"messages":{},"messages_left":{},"bytes":{},)"
             R"("seconds":{:.3f},"why":"{}"}})"
             "\n",
             side.path, name_of(side.state), side.epoch, side.messages, side.messages_left,
             side.bytes, std::chrono::duration<double>(side.elapsed).count(), why);
}

Result<Sides> ask_status(const config::Config& config) {
  auto client = ControlClient::connect(config.control.socket);
  if (!client) return propagate(std::move(client.error()));
  Sides sides;
  ipc::ControlRequest request;
  request.verb = ipc::ControlVerb::mirror_status;
  auto done =
      client->ask(request, [&](ipc::ControlFrame type, std::string_view payload) -> Result<void> {
        if (type != ipc::ControlFrame::side) return {};
        auto side = ipc::decode_mirror_side_status(payload);
        if (!side) return propagate(std::move(side.error()));
        sides.push_back(std::move(*side));
        return {};
      });
  if (!done) return propagate(std::move(done.error()));
  if (done->failed) return fail(ErrorCode::invalid_argument, done->text);
  return sides;
}

// Of a mirror that does not run: what the next start would do.
int status_of_stopped(const config::Config& config) {
  if (config.queue.backend != config::Backend::mirror) {
    return complain(
        {ErrorCode::invalid_argument, 0, "there is no mirror: queue.backend is not \"mirror\""});
  }
  RealFileSystem files;
  const auto& paths = config.queue.mirror.paths;
  const std::array found{mirror::inspect(files, paths[0]), mirror::inspect(files, paths[1])};
  const auto plan = mirror::plan_start(found);
  if (!plan) {
    fmt::print("Brevdue would not start: {}\n", plan.error().context);
    return not_whole;
  }
  bool whole = true;
  for (std::size_t i = 0; i < 2; ++i) {
    whole = whole && plan->sides[i] == mirror::Standing::current;
    switch (plan->sides[i]) {
      case mirror::Standing::current:
        fmt::print("{}  {}\n", paths[i], plan->is_new ? "new" : "current");
        break;
      case mirror::Standing::stale:
        fmt::print("{}  stale: it is written anew when Brevdue starts\n", paths[i]);
        break;
      case mirror::Standing::absent:
        fmt::print("{}  left: {}\n", paths[i],
                   found[i].trouble.empty() ? "it holds no spool" : found[i].trouble);
        break;
    }
  }
  return whole ? 0 : not_whole;
}

// Shows how far it is, until the side has everything or is left again.
int wait_for(const config::Config& config, const std::string& path) {
  const bool is_terminal = ::isatty(STDERR_FILENO) != 0;
  while (true) {
    const auto sides = ask_status(config);
    if (!sides) return complain(sides.error());
    const auto side = std::ranges::find_if(*sides, [&](const ipc::MirrorSideStatus& one) {
      return path.empty() ? one.state != State::current : one.path == path;
    });
    if (is_terminal) fmt::print(stderr, "\r\033[K");
    if (side == sides->end() || side->state == State::current) {
      fmt::print("both sides have everything\n");
      return 0;
    }
    if (side->state == State::left) {
      fmt::print(stderr, "brevdue: {} was left: {}\n", side->path, side->why);
      return EX_UNAVAILABLE;
    }
    if (is_terminal) fmt::print(stderr, "{}: {}", side->path, progress_text(*side));
    std::this_thread::sleep_for(look_again);
  }
}

// What root writes there, qmgr could not read. Root again at its end.
class AsOwnerOf {
 public:
  explicit AsOwnerOf(const std::string& path) {
    struct stat found{};
    if (user_ != 0) return;
    if (::stat(path.c_str(), &found) != 0) {
      done = fail_os(errno, path);
    } else if (::setegid(found.st_gid) != 0 || ::seteuid(found.st_uid) != 0) {
      done = fail_os(errno, "become the owner of " + path);
    }
  }
  ~AsOwnerOf() {
    if (user_ != 0) return;
    if (::seteuid(user_) != 0 || ::setegid(group_) != 0) std::abort();
    // Taken away with each change; sanitizers look into the process when it ends.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }
  AsOwnerOf(const AsOwnerOf&) = delete;
  AsOwnerOf& operator=(const AsOwnerOf&) = delete;

  Result<void> done;

 private:
  const uid_t user_ = ::geteuid();
  const gid_t group_ = ::getegid();
};

int force(const config::Config& config, const std::string& path) {
  if (config.queue.backend != config::Backend::mirror) {
    return complain(
        {ErrorCode::invalid_argument, 0, "there is no mirror: queue.backend is not \"mirror\""});
  }
  RealFileSystem files;
  SystemClock clock;
  const Log log(LogOptions{}, clock);
  const AsOwnerOf owner(path);
  if (!owner.done) return complain(owner.done.error());
  auto done = mirror::declare_whole(files, daemon::mirror_options(config, log), path);
  if (!done) return complain(done.error());
  fmt::print("from now on {} has everything; the other side is written anew from it\n", path);
  return 0;
}
}  // namespace

int queue_mirror_status(const std::string& config_path, bool json) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  const auto sides = ask_status(*config);
  if (!sides && sides.error().code == ErrorCode::unavailable && !json) {
    fmt::print(stderr, "brevdue: {}; reading {}\n", sides.error().context,
               daemon::spool_text(*config));
    return status_of_stopped(*config);
  }
  if (!sides) return complain(sides.error());
  for (const ipc::MirrorSideStatus& side : *sides) json ? print_json(side) : print(side);
  const bool whole = std::ranges::all_of(
      *sides, [](const ipc::MirrorSideStatus& side) { return side.state == State::current; });
  return whole ? 0 : not_whole;
}

int queue_mirror_change(const std::string& config_path, ipc::ControlVerb verb,
                        const MirrorChange& change) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  if (change.force) return force(*config, change.path);
  auto client = ControlClient::connect(config->control.socket);
  if (!client) return complain(client.error());
  ipc::ControlRequest request;
  request.verb = verb;
  request.path = change.path;
  const auto done =
      client->ask(request, [](ipc::ControlFrame, std::string_view) { return Result<void>(); });
  if (!done) return complain(done.error());
  if (done->failed) {
    fmt::print(stderr, "brevdue: {}\n", done->text);
    return EX_UNAVAILABLE;
  }
  if (verb == ipc::ControlVerb::mirror_detach) {
    fmt::print("{} is left; mail goes on with the other side\n", change.path);
    return 0;
  }
  if (change.wait) return wait_for(*config, change.path);
  fmt::print("the side is written anew; `brevdue queue mirror status` shows how far it is\n");
  return 0;
}

}  // namespace brevdue::cli

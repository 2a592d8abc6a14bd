#include "cli/stopped_verification.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include <fcntl.h>

#include "cli/opened_spool.h"
#include "daemon/spool.h"
#include "queue/staged_check.h"
#include "queue/verification_text.h"

namespace brevdue::cli {

namespace {
constexpr std::size_t piece_size = 256 * 1024;
constexpr std::string_view advice = "; the next start sets it aside in quarantine/";

class StoppedVerification {
 public:
  StoppedVerification(std::uint64_t rate, const std::function<void(const std::string&)>& on_line,
                      const std::function<void(const ipc::VerifyProgress&)>& on_progress)
      : rate_(rate), on_line_(on_line), on_progress_(on_progress) {}

  Result<ipc::VerifyProgress> run(const config::Config& config) {
    RealFileSystem files;
    const auto paths = daemon::stopped_paths(files, config);
    if (!paths) return propagate(paths.error());
    began_ = std::chrono::steady_clock::now();
    for (const std::string& path : *paths) {
      if (paths->size() > 1) side_ = path + ": ";
      if (auto done = run_one(config, path); !done) return propagate(std::move(done.error()));
    }
    return progress_;
  }

 private:
  Result<void> run_one(const config::Config& config, const std::string& path) {
    RecoveredMessages messages([this](const queue::Quarantined& damage) {
      damaged(damage.where + ": " + damage.why + std::string(advice));
    });
    auto spool = OpenedSpool::open(config, messages, path);
    if (!spool) return propagate(std::move(spool.error()));
    progress_.total += messages.found.size();
    for (const queue::RecoveredMessage& message : messages.found) {
      if (auto done = one(**spool, message); !done) return propagate(std::move(done.error()));
      ++progress_.messages;
    }
    for (const queue::Leftover& leftover :
         queue::find_leftovers((*spool)->directory().path(), std::chrono::seconds(0))) {
      if (leftover.id && std::ranges::binary_search(messages.found, *leftover.id, {},
                                                    &queue::RecoveredMessage::id)) {
        continue;
      }
      ++progress_.notes;
      on_line_("note: " + side_ + leftover.line);
    }
    return {};
  }

  Result<void> one(OpenedSpool& spool, const queue::RecoveredMessage& message) {
    auto found = spool.store().verify(message.id, message.location);
    if (!found) return propagate(std::move(found.error()));
    read(found->bytes);
    for (const queue::Damage& damage : found->damage) {
      // Recovery has reported those.
      if (damage.part == queue::Damage::Part::settlement) continue;
      damaged(queue::in_words(message.id, damage));
    }
    const auto envelope = mail::decode_envelope(message.envelope.view());
    if (!envelope) {
      damaged(queue::in_words(message.id,
                              {queue::Damage::Part::envelope, {}, describe(envelope.error())}));
      return {};
    }
    if (envelope->content.staged) staged(spool, message.id, envelope->content);
    return {};
  }

  void staged(OpenedSpool& spool, mail::QueueId id, const mail::ContentFacts& facts) {
    auto file =
        spool.files().open(spool.directory().fd(), "staged/" + id.text(), O_RDONLY | O_CLOEXEC, 0);
    if (!file) {
      return damaged(queue::in_words(id, queue::StagedCheck::unreadable(id, file.error())));
    }
    queue::StagedCheck check(spool.files(), std::move(*file), id, facts);
    while (const std::size_t got = check.read(piece_size)) read(got);
    if (const auto damage = check.damage()) damaged(queue::in_words(id, *damage));
  }

  void damaged(const std::string& line) {
    ++progress_.damaged;
    on_line_(side_ + line);
  }

  void read(std::uint64_t bytes) {
    progress_.bytes += bytes;
    on_progress_(progress_);
    if (rate_ == 0) return;
    const std::chrono::duration<double> least(static_cast<double>(progress_.bytes) /
                                              static_cast<double>(rate_));
    std::this_thread::sleep_until(began_ +
                                  std::chrono::duration_cast<std::chrono::nanoseconds>(least));
  }

  const std::uint64_t rate_;
  std::string side_;  // of a mirror, before each line
  const std::function<void(const std::string&)>& on_line_;
  const std::function<void(const ipc::VerifyProgress&)>& on_progress_;
  ipc::VerifyProgress progress_;
  std::chrono::steady_clock::time_point began_;
};
}  // namespace

Result<ipc::VerifyProgress> verify_stopped_spool(
    const config::Config& config, std::uint64_t rate,
    const std::function<void(const std::string&)>& on_line,
    const std::function<void(const ipc::VerifyProgress&)>& on_progress) {
  return StoppedVerification(rate, on_line, on_progress).run(config);
}

}  // namespace brevdue::cli

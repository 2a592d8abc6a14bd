// `brevdue queue verify`
#include <chrono>
#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <sysexits.h>

#include "cli/commands.h"
#include "cli/complaint.h"
#include "cli/control_client.h"
#include "cli/read_config.h"
#include "cli/stopped_verification.h"
#include "cli/verify_progress_line.h"
#include "config/units.h"
#include "daemon/spool.h"

namespace brevdue::cli {

namespace {
// Beside mail on a hard disk; a stopped spool disturbs nobody.
constexpr std::uint64_t rate_beside_mail = 16u << 20;

class Findings {
 public:
  void line(std::string_view text) {
    progress_.clear();
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }
  void progress(const ipc::VerifyProgress& progress) {
    last_ = progress;
    const auto now = std::chrono::steady_clock::now();
    if (now - shown_ < std::chrono::milliseconds(200)) return;
    shown_ = now;
    progress_.show(progress);
  }
  // The last line, and how the command ends.
  int summary() {
    const std::string count = fmt::format("{} message{} verified", last_.messages - last_.gone,
                                          last_.messages - last_.gone == 1 ? "" : "s");
    const std::string gone =
        last_.gone == 0 ? "" : fmt::format(" ({} left the queue meanwhile)", last_.gone);
    const std::string found =
        last_.damaged == 0 ? "all good" : fmt::format("{} damaged", last_.damaged);
    const std::string notes =
        last_.notes == 0 ? ""
                         : fmt::format(", {} note{}", last_.notes, last_.notes == 1 ? "" : "s");
    line(fmt::format("{}{}, {:.1f} MiB in {:.1f} s: {}{}", count, gone,
                     static_cast<double>(last_.bytes) / (1 << 20), progress_.elapsed().count(),
                     found, notes));
    return last_.damaged == 0 ? 0 : EX_DATAERR;
  }
  void clear() { progress_.clear(); }

 private:
  VerifyProgressLine progress_;
  ipc::VerifyProgress last_;
  std::chrono::steady_clock::time_point shown_{};
};

int verify_offline(const config::Config& config, std::uint64_t rate) {
  Findings findings;
  const auto done = verify_stopped_spool(
      config, rate, [&](const std::string& line) { findings.line(line); },
      [&](const ipc::VerifyProgress& progress) { findings.progress(progress); });
  findings.clear();
  if (!done) return complain(done.error());
  findings.progress(*done);
  return findings.summary();
}

int verify_online(ControlClient& client, std::uint64_t rate) {
  Findings findings;
  ipc::ControlRequest request;
  request.verb = ipc::ControlVerb::verify;
  request.all = true;
  request.rate = rate;
  const auto done =
      client.ask(request, [&](ipc::ControlFrame type, std::string_view payload) -> Result<void> {
        if (type == ipc::ControlFrame::line) findings.line(payload);
        if (type != ipc::ControlFrame::progress) return {};
        auto progress = ipc::decode_verify_progress(payload);
        if (!progress) return propagate(std::move(progress.error()));
        findings.progress(*progress);
        return {};
      });
  findings.clear();
  if (!done) return complain(done.error());
  if (done->failed) {
    fmt::print(stderr, "brevdue: the verification was not finished: {}\n", done->text);
    return EX_TEMPFAIL;
  }
  return findings.summary();
}
}  // namespace

int queue_verify(const std::string& config_path, const std::string& rate) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  const auto asked = rate.empty() ? std::optional(rate_beside_mail) : config::parse_size(rate);
  if (!asked) {
    fmt::print(stderr, "brevdue: --rate: \"{}\" is no size, such as 16MiB\n", rate);
    return EX_USAGE;
  }
  auto client = ControlClient::connect(config->control.socket);
  if (client) return verify_online(*client, *asked);
  if (client.error().code != ErrorCode::unavailable) return complain(client.error());
  fmt::print(stderr, "brevdue: {}; reading the spool {}\n", client.error().context,
             daemon::spool_text(*config));
  return verify_offline(*config, rate.empty() ? 0 : *asked);
}

}  // namespace brevdue::cli

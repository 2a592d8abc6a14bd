#include "core/log.h"

#include <algorithm>
#include <climits>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

namespace brevdue {

namespace {
// More in one call may be mixed with the lines of others if the target is a pipe.
constexpr std::size_t written_at_once_max = PIPE_BUF;

void put(int fd, std::string_view lines) {
  const auto written = ::write(fd, lines.data(), lines.size());
  static_cast<void>(written);
}
}  // namespace

struct Log::Collection {
  const std::thread::id thread;
  // That thread's own.
  std::function<void()> due;  // none: lines are not collected any more
  std::string lines;
};

Log::Log(LogOptions options, const Clock& clock)
    : clock_(clock),
      host_(std::move(options.host)),
      ident_(std::move(options.ident)),
      program_(std::move(options.program)),
      fd_(options.fd),
      syslog_(options.syslog),
      pid_(::getpid()) {}

Log::~Log() {
  flush();
}

void Log::collect(std::function<void()> due) {
  if (syslog_) return;
  collection_ = std::make_unique<Collection>(std::this_thread::get_id(), std::move(due));
}

void Log::stop_collecting() {
  flush();
  if (collection_) collection_->due = nullptr;
}

void Log::flush() const {
  if (!collection_ || collection_->lines.empty()) return;
  put(fd_, std::exchange(collection_->lines, {}));
}

static void make_printable(std::string& line, std::size_t from) {
  std::replace_if(
      line.begin() + static_cast<std::ptrdiff_t>(from), line.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
}

void Log::write(std::string_view program, std::string_view level, std::string_view text) const {
  if (syslog_) {
    std::string line = fmt::format("{}/{}[{}]: {}{}", ident_, program, pid_, level, text);
    make_printable(line, 0);
    ::syslog(LOG_MAIL | (level.empty() ? LOG_INFO : LOG_WARNING), "%s", line.c_str());
    return;
  }
  std::string line = fmt::format("{} {} {}/{}[{}]: {}{}", rfc3339(clock_.wall()), host_, ident_,
                                 program, pid_, level, text);
  make_printable(line, 0);
  line.push_back('\n');
  if (collection_ && collection_->thread == std::this_thread::get_id() && collection_->due) {
    if (collection_->lines.size() + line.size() > written_at_once_max) flush();
    const bool first = collection_->lines.empty();
    collection_->lines += line;
    if (!level.empty()) return flush();
    if (first) collection_->due();
    return;
  }
  put(fd_, line);
}

}  // namespace brevdue

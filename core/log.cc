#include "core/log.h"

#include <algorithm>

#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

namespace brevdue {

Log::Log(LogOptions options, const Clock& clock)
    : clock_(clock),
      host_(std::move(options.host)),
      ident_(std::move(options.ident)),
      program_(std::move(options.program)),
      fd_(options.fd),
      syslog_(options.syslog),
      pid_(::getpid()) {}

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
  const auto written = ::write(fd_, line.data(), line.size());
  static_cast<void>(written);
}

}  // namespace brevdue

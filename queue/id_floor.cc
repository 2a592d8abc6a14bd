#include "queue/id_floor.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "mail/queue_id.h"

namespace brevdue::queue {

// What fits in a queue id beside its slot.
static constexpr std::int64_t micros_max = (std::int64_t{1} << (64 - mail::QueueId::slot_bits)) - 1;

static constexpr const char* file_name = "id-floor";
static constexpr std::size_t file_bytes_max = 64;

static Result<WallTime> parse(const std::string& text) {
  std::int64_t micros = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, micros);
  const bool whole = std::string_view(end, last) == "\n";
  if (error != std::errc() || !whole || micros < 0 || micros > micros_max) {
    return fail(
        ErrorCode::corrupt,
        "id-floor in the spool is not a number; remove it if no queued id is newer than now");
  }
  return WallTime(std::chrono::microseconds(micros));
}

Result<IdFloor> IdFloor::open(FileSystem& files, std::shared_ptr<SpoolSides> spool, WallTime now) {
  IdFloor floor(files, std::move(spool));
  auto texts = floor.spool_->read(files, file_name, file_bytes_max);
  if (!texts) return propagate(std::move(texts.error()));
  floor.floor_ = now;
  for (const std::string& text : *texts) {
    auto mark = parse(text);
    if (!mark) return propagate(std::move(mark.error()));
    floor.floor_ = std::max(floor.floor_, *mark);
  }
  if (auto done = floor.reserve_to(floor.floor_ + ahead); !done) {
    return propagate(std::move(done.error()));
  }
  return floor;
}

Result<void> IdFloor::copy(FileSystem& files, const SpoolSide& from, const SpoolSide& to) {
  auto text = read_file(files, from.directory.get(), file_name, file_bytes_max);
  if (!text && text.error().code == ErrorCode::not_found) return {};
  if (!text) return propagate(std::move(text.error()), from.path);
  auto written = replace_file(files, to.directory.get(), file_name, *text, 0600);
  return written ? Result<void>() : propagate(std::move(written.error()), to.path);
}

Result<void> IdFloor::reserve_to(WallTime mark) {
  if (mark <= reserved_) return {};
  auto written =
      spool_->replace(*files_, file_name, fmt::format("{}\n", mark.time_since_epoch().count()));
  if (!written) return propagate(std::move(written.error()), file_name);
  reserved_ = mark;
  return {};
}

}  // namespace brevdue::queue

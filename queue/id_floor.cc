#include "queue/id_floor.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "mail/queue_id.h"

namespace brevdue::queue {

// What fits in a queue id beside its slot.
static constexpr std::int64_t micros_max = (std::int64_t{1} << (64 - mail::QueueId::slot_bits)) - 1;

Result<IdFloor> IdFloor::open(FileSystem& files, int spool, WallTime now) {
  IdFloor floor(files, spool);
  auto text = read_file(files, spool, "id-floor", 64);
  if (!text && text.error().code != ErrorCode::not_found) {
    return propagate(std::move(text.error()));
  }
  if (text) {
    std::int64_t micros = 0;
    const char* last = text->data() + text->size();
    const auto [end, error] = std::from_chars(text->data(), last, micros);
    const bool whole = std::string_view(end, last) == "\n";
    if (error != std::errc() || !whole || micros < 0 || micros > micros_max) {
      return fail(
          ErrorCode::corrupt,
          "id-floor in the spool is not a number; remove it if no queued id is newer than now");
    }
    floor.floor_ = WallTime(std::chrono::microseconds(micros));
  }
  floor.floor_ = std::max(floor.floor_, now);
  if (auto done = floor.reserve_to(floor.floor_ + ahead); !done) {
    return propagate(std::move(done.error()));
  }
  return floor;
}

Result<void> IdFloor::reserve_to(WallTime mark) {
  if (mark <= reserved_) return {};
  auto written = replace_file(*files_, spool_, "id-floor",
                              fmt::format("{}\n", mark.time_since_epoch().count()), 0600);
  if (!written) return propagate(std::move(written.error()), "id-floor");
  reserved_ = mark;
  return {};
}

}  // namespace brevdue::queue

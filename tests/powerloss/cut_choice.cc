#include "tests/powerloss/cut_choice.h"

#include <algorithm>
#include <random>

#include "bench/disk/record_reader.h"

namespace brevdue::powerloss {

Result<EventTimes> times_of(const std::string& record) {
  auto reader = disk::RecordReader::open(record);
  if (!reader) return propagate(std::move(reader.error()));
  const auto begun = static_cast<std::int64_t>(reader->header().begun);
  EventTimes found;
  while (true) {
    auto event = reader->next();
    if (!event) return propagate(std::move(event.error()));
    if (!event->has_value()) break;
    if ((*event)->type == disk::EventType::cut || (*event)->type == disk::EventType::end) {
      found.ended = true;
      break;
    }
    if ((*event)->type == disk::EventType::flush) found.flushes.push_back(found.times.size());
    found.times.push_back(begun + static_cast<std::int64_t>((*event)->time / 1000));
  }
  return found;
}

std::vector<ChosenCut> choose_cuts(const EventTimes& record, std::size_t count, std::int64_t from,
                                   std::uint64_t sector, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto first = static_cast<std::uint64_t>(std::ranges::lower_bound(record.times, from) -
                                                record.times.begin());
  const auto first_flush = std::ranges::lower_bound(record.flushes, first);
  const auto flushes = static_cast<std::uint64_t>(record.flushes.end() - first_flush);
  std::vector<std::uint64_t> events;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 2 == 1 && flushes > 0) {
      events.push_back(*(first_flush + static_cast<std::ptrdiff_t>(random() % flushes)));
    } else {
      events.push_back(first + random() % (record.times.size() - first + 1));
    }
  }
  std::ranges::sort(events);
  std::vector<ChosenCut> chosen;
  for (const std::uint64_t event : events) {
    const std::uint64_t toss = random() % 10;
    const std::uint64_t own_seed = random() % (1u << 30);
    const disk::PowerCut cut = sector > 0 ? disk::PowerCut::torn(own_seed, sector)
                               : toss < 3 ? disk::PowerCut::drop()
                               : toss < 5 ? disk::PowerCut::keep()
                                          : disk::PowerCut::subset(own_seed);
    chosen.push_back({event, cut});
  }
  return chosen;
}

}  // namespace brevdue::powerloss

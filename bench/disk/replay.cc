#include "bench/disk/replay.h"

#include <utility>

namespace brevdue::disk {

Replay::Replay(RecordReader reader, ImageFile durable)
    : reader_(std::move(reader)),
      durable_(std::make_unique<ImageFile>(std::move(durable))),
      cache_(std::make_unique<VolatileCache>(*durable_, UINT64_MAX)) {}

Result<Replay> Replay::open(const std::string& record, const std::string& base,
                            const std::string& durable) {
  auto reader = RecordReader::open(record);
  if (!reader) return propagate(std::move(reader.error()));
  const std::uint64_t size = reader->header().disk_size;
  if (!base.empty()) {
    auto image = ImageFile::open(base);
    if (!image) return propagate(std::move(image.error()));
    if (image->size() != size) {
      return fail(ErrorCode::invalid_argument,
                  "image " + base + " has " + std::to_string(image->size()) +
                      " bytes, the recorded disk " + std::to_string(size));
    }
    auto copied = image->copy_to(durable);
    if (!copied) return propagate(std::move(copied.error()));
  }
  auto working =
      base.empty() ? ImageFile::create(durable, size, /*sparse=*/true) : ImageFile::open(durable);
  if (!working) return propagate(std::move(working.error()));
  return Replay(std::move(*reader), std::move(*working));
}

Result<void> Replay::apply(const Event& event) {
  switch (event.type) {
    case EventType::write:
      return event.through ? cache_->write_through(event.range.offset, reader_.content())
                           : cache_->write(event.range.offset, reader_.content());
    case EventType::flush:
      return cache_->flush();
    case EventType::mark:
      marks_.push_back(event.text);
      return {};
    case EventType::cut:
    case EventType::fault:
    case EventType::end:
      return {};
  }
  return {};
}

Result<std::uint64_t> Replay::advance(std::uint64_t upto) {
  if (upto < events_) {
    return fail(ErrorCode::invalid_argument, "a replay cannot go back from event " +
                                                 std::to_string(events_) + " to " +
                                                 std::to_string(upto));
  }
  while (events_ < upto && !at_end_) {
    auto event = reader_.next();
    if (!event) return propagate(std::move(event.error()));
    if (!event->has_value()) {
      at_end_ = true;
      break;
    }
    auto applied = apply(**event);
    if (!applied) return propagate(std::move(applied.error()));
    ++events_;
  }
  return events_;
}

Result<void> Replay::write_image(const PowerCut& cut, const std::string& out) const {
  auto copied = durable_->copy_to(out);
  if (!copied) return copied;
  auto image = ImageFile::open(out);
  if (!image) return propagate(std::move(image.error()));
  return cache_->apply_survivors(cut, *image);
}

Result<void> Replay::finish(const PowerCut& cut) {
  return cache_->cut(cut);
}

}  // namespace brevdue::disk

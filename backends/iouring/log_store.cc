#include "backends/iouring/log_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/iouring/block_write.h"
#include "backends/iouring/segment_rescue.h"
#include "backends/iouring/uring_log_device.h"

namespace brevdue::backends {

static std::unique_ptr<LogDevice> make_device(const LogStoreOptions& options) {
  FileLogDeviceOptions files{options.path, options.quarantine, options.read_only, options.notice};
  if (options.force_ordinary_calls) return std::make_unique<FileLogDevice>(std::move(files));
  return std::make_unique<UringLogDevice>(std::move(files));
}

LogStore::LogStore(LogStoreOptions options) : LogStore(options, make_device(options)) {}

LogStore::LogStore(LogStoreOptions options, std::unique_ptr<LogDevice> device)
    : options_(std::move(options)),
      device_(std::move(device)),
      pool_({options_.segment_size, std::max(options_.spare_segments, 2u),
             std::max({options_.spare_segments_max, options_.spare_segments, 2u}),
             options_.reserve}),
      writer_(*device_, pool_, options_.segment_size),
      caretaker_(*device_, pool_, writer_, {options_.segment_size, options_.notice}),
      reader_(*device_, pool_, cancelled_) {}

LogStore::~LogStore() {
  cancelled_.store(true);
  {
    std::unique_lock lock(mutex_);
    recovered_.wait(lock, [&] { return !recovering_; });
  }
  // The caretaker goes on meanwhile, so that the batches in flight find a segment.
  writer_.stop();
  if (writer_thread_.joinable()) {
    writer_thread_.join();
    writer_.close();
  }
  pool_.stop();
  if (caretaker_thread_.joinable()) caretaker_thread_.join();
}

Result<void> LogStore::check_options() const {
  if (options_.segment_size % log_block != 0 || options_.segment_size < segment_size_min ||
      options_.segment_size > segment_size_max) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("segment size {}: must be whole blocks of {}, from {} to {}",
                            options_.segment_size, log_block, segment_size_min, segment_size_max));
  }
  return {};
}

Result<void> LogStore::start() {
  if (auto checked = check_options(); !checked) return checked;
  auto files = device_->start();
  if (!files) return propagate(std::move(files.error()));
  if (auto read = read_headers(*files); !read) return read;
  if (auto found = find_end(); !found) return found;
  if (sources_.empty() && damaged_.empty()) {
    pool_.with_table([](SegmentTable& table) { table.set_scanned(); });
  }
  return options_.read_only ? Result<void>() : begin_writing();
}

Result<void> LogStore::read_headers(const std::vector<SegmentFile>& files) {
  SegmentReader reader(*device_);
  for (const SegmentFile& file : files) {
    pool_.numbers_start_after(file.number);
    reader.select(file.number, segment_header_area);
    auto bytes = reader.view(0, segment_header_area);
    if (!bytes) return propagate(std::move(bytes.error()));
    const HeaderArea area = decode_header_area(*bytes, file.number);
    if (reader.unreadable_blocks() > 0 && area.state != HeaderState::used) {
      return fail(
          ErrorCode::io_failure,
          fmt::format("segment {} cannot be read; move it away to go on without it", file.number));
    }
    if (area.state == HeaderState::unsupported) {
      return fail(ErrorCode::unsupported,
                  fmt::format("segment {} was written by a newer version", file.number));
    }
    const auto rescued = rescue(reader, file, area);
    if (!rescued) return propagate(Error(rescued.error()));
    enter(file, *rescued, area.state);
  }
  std::ranges::sort(sources_, std::ranges::greater(),
                    [](const RecoverySource& source) { return source.header.generation; });
  for (std::size_t i = 1; i < sources_.size(); ++i) {
    sources_[i].durable_through = sources_[i - 1].header.first_sequence - 1;
  }
  return {};
}

Result<HeaderArea> LogStore::rescue(SegmentReader& reader, const SegmentFile& file,
                                    HeaderArea area) {
  if (area.state == HeaderState::used) return area;
  const auto found = rescue_header(reader, file, options_.segment_size);
  if (!found) return propagate(Error(found.error()));
  if (!*found) return area;
  area = {.state = HeaderState::used, .header = **found};
  if (options_.read_only) return area;
  auto written = write_blocks(*device_, file.number, 0, encode(area.header));
  return written ? Result<HeaderArea>(area) : propagate(std::move(written.error()));
}

void LogStore::enter(const SegmentFile& file, const HeaderArea& area, HeaderState header_was) {
  if (area.state == HeaderState::blank) {
    if (options_.read_only) return;
    if (file.size == options_.segment_size) return pool_.add_spare(file.number);
    return pool_.add_unwanted(file.number);
  }
  const bool known_already = pool_.with_table(
      [&](SegmentTable& table) { return table.find(area.header.generation) != nullptr; });
  if (area.state != HeaderState::used || known_already) return damaged_.push_back(file.number);
  const auto file_size =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(file.size, area.header.size));
  pool_.with_table([&](SegmentTable& table) {
    table.add({.header = area.header, .file_size = file_size, .end = area.header.footer_offset()});
  });
  sources_.push_back({.header = area.header, .file_size = file_size, .header_was = header_was});
}

Result<void> LogStore::find_end() {
  if (sources_.empty()) return {};
  RecoverySource& newest = sources_.front();
  SegmentReader reader(*device_);
  auto end = find_segment_end(reader, newest.header, newest.file_size, cancelled_);
  if (!end) return propagate(std::move(end.error()));
  end_ = *end;
  newest.end = end_.offset;
  newest.durable_through = end_.last_sequence;
  return {};
}

Result<void> LogStore::begin_writing() {
  if (auto space = device_->free_space()) {
    pool_.set_free_space(*space);
  } else {
    return propagate(std::move(space.error()));
  }
  const SegmentHeader* newest = sources_.empty() ? nullptr : &sources_.front().header;
  if (auto begun = writer_.begin(newest, end_); !begun) return begun;
  const bool goes_on = writer_.remaining() > 0;
  pool_.with_table([&](SegmentTable& table) {
    if (newest == nullptr) return;
    Segment& segment = *table.find(newest->generation);
    segment.closed = !goes_on;
    segment.end = end_.offset;
  });
  if (newest != nullptr) pool_.note_upkeep(newest->generation);
  if (!goes_on) {
    // A full disk is no reason not to start: what is queued can be delivered.
    if (!pool_.has_spare()) {
      auto made = caretaker_.create_segment(cancelled_);
      if (!made && made.error().code != ErrorCode::storage_full) return made;
    }
    if (pool_.has_spare()) {
      if (auto opened = writer_.open_first_segment(); !opened) return opened;
    }
  }
  writer_thread_ = std::thread([this] { writer_.run(); });
  caretaker_thread_ = std::thread([this] { caretaker_.run(cancelled_); });
  writer_.wait_until_ready();
  return {};
}

Result<void> LogStore::recover(queue::RecoverySink& sink) {
  {
    const std::lock_guard lock(mutex_);
    recovering_ = true;
  }
  sink.begun();
  LogRecovery recovery(*device_, pool_, sink, options_.read_only, cancelled_);
  Result<void> done = recovery.run(sources_, damaged_);
  if (done) {
    pool_.with_table([](SegmentTable& table) { table.set_scanned(); });
    pool_.nudge();
  }
  const std::lock_guard lock(mutex_);
  recovering_ = false;
  recovered_.notify_all();
  return done;
}

void LogStore::submit(queue::Batch batch, queue::BatchDone done) {
  if (writer_thread_.joinable()) return writer_.submit(std::move(batch), std::move(done));
  queue::BatchResults results(batch.size());
  for (auto& result : results) result = fail(ErrorCode::unavailable, "the log is open for reading");
  done(std::move(results));
}

std::optional<int> LogStore::begin_attended(std::function<void()> poke) {
  if (!writer_thread_.joinable()) return std::nullopt;
  return writer_.begin_attended(std::move(poke));
}

void LogStore::attend() {
  writer_.attend();
}

Result<SharedBytes> LogStore::open(mail::QueueId id, const queue::Location& location) {
  return reader_.open(id, location);
}

Result<queue::StoredMessage> LogStore::look_up(mail::QueueId id, const queue::Location& location) {
  return reader_.look_up(id, location);
}

Result<queue::Verified> LogStore::verify(mail::QueueId id, const queue::Location& location) {
  return reader_.verify(id, location);
}

std::uint64_t LogStore::room() const {
  return writer_thread_.joinable() ? pool_.room(writer_.remaining()) : 0;
}

}  // namespace brevdue::backends

#include "backends/iouring/segment_scan.h"

#include <algorithm>
#include <vector>

#include "core/crc32c.h"

namespace brevdue::backends {

namespace {
// Runs and sequences only grow in a segment: what falls back is the rest of an earlier life of the
// same bytes, left behind a log that ended here once.
class Order {
 public:
  explicit Order(const SegmentHeader& header)
      : sequence_(header.first_sequence - 1), run_(header.run) {}
  bool admits(const BatchHeader& header) const {
    return header.sequence > sequence_ && header.run >= run_;
  }
  void pass(const BatchHeader& header) {
    sequence_ = header.sequence;
    run_ = header.run;
  }

 private:
  std::uint64_t sequence_;
  std::uint32_t run_;
};
}  // namespace

Result<void> walk_segment(SegmentReader& reader, const SegmentHeader& header, std::uint32_t end,
                          const std::atomic<bool>& cancelled, SegmentVisitor& visitor) {
  Order order(header);
  std::uint32_t at = segment_header_area;
  std::uint32_t bad_from = at;
  const auto report_bad = [&]() -> Result<void> {
    if (bad_from == at) return {};
    return visitor.bad({bad_from, at - bad_from});
  };
  while (at < end) {
    if (cancelled.load(std::memory_order_relaxed)) return fail(ErrorCode::cancelled, "scan");
    auto block = reader.view(at, log_block);
    if (!block) return propagate(std::move(block.error()));
    const auto found = decode_batch_header(*block, header, at);
    if (!found || !order.admits(*found) || found->padded_size() > end - at) {
      at += log_block;
      continue;
    }
    if (auto told = report_bad(); !told) return told;
    order.pass(*found);
    const std::uint32_t size = batch_header_size + found->length;
    auto bytes = reader.view(at, size);
    if (!bytes) return propagate(std::move(bytes.error()));
    ScannedBatch batch{*found, *bytes, false};
    batch.intact = bytes->size() == size && crc32c(batch.records()) == found->payload_crc;
    if (auto told = visitor.batch(batch); !told) return told;
    at += found->padded_size();
    bad_from = at;
  }
  at = std::max(at, bad_from);
  return report_bad();
}

namespace {
struct EndFinder final : SegmentVisitor {
  struct Part {
    std::uint32_t offset;
    std::uint32_t end;
    std::uint64_t sequence;  // of a batch; 0 for a bad range
    std::uint32_t run;
    bool intact;
  };

  Result<void> batch(const ScannedBatch& batch) override {
    const BatchHeader& header = batch.header;
    parts.push_back({header.offset, header.offset + header.padded_size(), header.sequence,
                     header.run, batch.intact});
    durable_through = std::max(durable_through, header.durable_through);
    last_sequence = std::max(last_sequence, header.sequence);
    run = std::max(run, header.run);
    return {};
  }
  Result<void> bad(const BadRange& range) override {
    parts.push_back({range.offset, range.offset + range.size, 0, 0, false});
    return {};
  }

  std::vector<Part> parts;
  std::uint64_t durable_through = 0;
  std::uint64_t last_sequence = 0;
  std::uint32_t run = 0;
};
}  // namespace

Result<SegmentEnd> find_segment_end(SegmentReader& reader, const SegmentHeader& header,
                                    std::uint32_t file_size, const std::atomic<bool>& cancelled) {
  SegmentEnd end;
  end.last_sequence = header.first_sequence - 1;
  end.run = header.run;
  reader.select(header.number, file_size);
  auto last = reader.view(header.footer_offset(), log_block);
  if (!last) return propagate(std::move(last.error()));
  if (const auto footer = decode_footer(*last, header)) {
    end.offset = footer->end;
    end.last_sequence = footer->last_sequence;
    end.sealed = true;
    return end;
  }
  EndFinder found;
  found.durable_through = end.last_sequence;
  auto walked = walk_segment(reader, header, header.footer_offset(), cancelled, found);
  if (!walked) return propagate(std::move(walked.error()));
  end.run = std::max(end.run, found.run);
  for (const EndFinder::Part& part : found.parts) {
    // A bad range stands for the sequence that is missing next.
    const std::uint64_t sequence = part.sequence != 0 ? part.sequence : end.last_sequence + 1;
    if (!part.intact && sequence > found.durable_through) break;
    end.offset = part.end;
    end.last_sequence = std::max(end.last_sequence, sequence);
  }
  if (reader.unreadable_blocks() > 0 || file_size < header.size) {
    // What cannot be read may have been acknowledged: nothing here is taken for the end.
    end.offset = header.footer_offset();
    end.last_sequence = std::max(end.last_sequence, found.last_sequence) + 1;
    end.sealed = true;
  }
  return end;
}

}  // namespace brevdue::backends

#include "backends/lmdb/lmdb_content.h"

#include <cstring>

#include "backends/lmdb/lmdb_value.h"
#include "core/bytes.h"
#include "core/crc32c.h"

namespace brevdue::backends {

namespace {
// Checksum of the list, count; then id, offset and size of each part.
constexpr std::size_t list_header = 2 * sizeof(std::uint32_t);
constexpr std::size_t part_size = 16;

std::size_t list_size(std::size_t count) {
  return list_header + count * part_size;
}

std::uint32_t list_crc(BlobNumber blob, std::string_view behind_crc) {
  const MDB_val key{sizeof blob, &blob};
  return value_crc(ValueKind::content, key, behind_crc);
}
}  // namespace

std::string encode_place(const ContentPlace& place) {
  std::string out;
  put(out, place.blob);
  put(out, place.offset);
  put(out, place.size);
  put(out, place.crc);
  return out;
}

std::optional<StoredEnvelope> decode_stored_envelope(std::string_view payload) {
  if (payload.size() < ContentPlace::encoded_size) return std::nullopt;
  ByteReader in(payload.substr(0, ContentPlace::encoded_size));
  StoredEnvelope stored;
  stored.content.blob = in.get<BlobNumber>();
  stored.content.offset = in.get<std::uint32_t>();
  stored.content.size = in.get<std::uint32_t>();
  stored.content.crc = in.get<std::uint32_t>();
  stored.envelope = payload.substr(ContentPlace::encoded_size);
  return stored;
}

std::uint32_t content_crc(mail::QueueId id, std::string_view content) {
  const std::uint64_t value = id.value();
  return crc32c(content, crc32c(&value, sizeof value));
}

std::optional<std::vector<BlobPart>> parts_of(BlobNumber blob, const MDB_val& value) {
  const std::string_view bytes(static_cast<const char*>(value.mv_data), value.mv_size);
  ByteReader in(bytes);
  const auto crc = in.get<std::uint32_t>();
  const auto count = in.get<std::uint32_t>();
  if (!in.ok() || count > bytes.size() / part_size || list_size(count) > bytes.size()) {
    return std::nullopt;
  }
  const auto behind_crc = bytes.substr(sizeof crc, list_size(count) - sizeof crc);
  if (list_crc(blob, behind_crc) != crc) return std::nullopt;
  std::vector<BlobPart> parts(count);
  for (BlobPart& part : parts) {
    part.id = mail::QueueId(in.get<std::uint64_t>());
    part.offset = in.get<std::uint32_t>();
    part.size = in.get<std::uint32_t>();
    if (part.offset > bytes.size() || part.size > bytes.size() - part.offset) return std::nullopt;
  }
  return parts;
}

void write_list(BlobNumber blob, const std::vector<BlobPart>& parts, std::string& value) {
  std::string list;
  put(list, static_cast<std::uint32_t>(parts.size()));
  for (const BlobPart& part : parts) {
    const bool fits = part.offset >= list_size(parts.size()) && part.offset <= value.size() &&
                      part.size <= value.size() - part.offset;
    if (!fits) return;
    put(list, part.id.value());
    put(list, part.offset);
    put(list, part.size);
  }
  const std::uint32_t crc = list_crc(blob, list);
  std::memcpy(value.data(), &crc, sizeof crc);
  list.copy(value.data() + sizeof crc, list.size());
}

bool BlobLayout::takes(std::size_t size) const {
  return parts_.empty() || value_size() + part_size + size <= size_max;
}

void BlobLayout::add(mail::QueueId id, std::string_view content) {
  parts_.push_back({id, content});
  content_size_ += content.size();
}

std::size_t BlobLayout::value_size() const {
  return list_size(parts_.size()) + content_size_;
}

std::vector<ContentPlace> BlobLayout::fill(BlobNumber blob, void* value) const {
  std::vector<ContentPlace> places;
  places.reserve(parts_.size());
  std::string list;
  put(list, static_cast<std::uint32_t>(parts_.size()));
  char* const out = static_cast<char*>(value);
  auto offset = static_cast<std::uint32_t>(list_size(parts_.size()));
  for (const Content& part : parts_) {
    const auto size = static_cast<std::uint32_t>(part.bytes.size());
    places.push_back({blob, offset, size, content_crc(part.id, part.bytes)});
    put(list, part.id.value());
    put(list, offset);
    put(list, size);
    part.bytes.copy(out + offset, size);
    offset += size;
  }
  const std::uint32_t crc = list_crc(blob, list);
  std::memcpy(out, &crc, sizeof crc);
  list.copy(out + sizeof crc, list.size());
  return places;
}

std::string encode_life(const BlobLife& life) {
  std::string out;
  put(out, life.count);
  put(out, life.bytes);
  put(out, life.total);
  return out;
}

std::optional<BlobLife> decode_life(std::string_view payload) {
  ByteReader in(payload);
  BlobLife life;
  life.count = in.get<std::uint32_t>();
  life.bytes = in.get<std::uint64_t>();
  life.total = in.get<std::uint64_t>();
  if (!in.ok() || life.bytes > life.total) return std::nullopt;
  return life;
}

}  // namespace brevdue::backends

// How contents lie in the environment: those that a batch adds share values, *blobs*, so that they
// share pages and are written in large pieces. A blob begins with the list of what is in it; an
// envelope's value begins with where the message's content lies. FORMAT.md has the bytes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <lmdb.h>

#include "core/error.h"
#include "mail/queue_id.h"

namespace brevdue::backends {

using BlobNumber = std::uint64_t;  // never 0; ascends

// A content's place in a blob, and its checksum. Blob 0: no content here (empty or staged).
struct ContentPlace {
  static constexpr std::size_t encoded_size = 20;

  BlobNumber blob = 0;
  std::uint32_t offset = 0;  // from the start of the blob's value
  std::uint32_t size = 0;
  std::uint32_t crc = 0;  // content_crc
};

// What the envelope's value holds behind its checksum.
struct StoredEnvelope {
  ContentPlace content;
  std::string_view envelope;
};
std::string encode_place(const ContentPlace& place);
std::optional<StoredEnvelope> decode_stored_envelope(std::string_view payload);

// The message's id is in it, so that no content can pass for another's.
std::uint32_t content_crc(mail::QueueId id, std::string_view content);

struct BlobPart {
  mail::QueueId id;
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
};

// The blob's list, checked; nothing if it is damaged.
std::optional<std::vector<BlobPart>> parts_of(BlobNumber blob, const MDB_val& value);

// Writes the list anew into the value of a blob whose own is damaged; contents stay where they are.
// Nothing is changed if that cannot be.
void write_list(BlobNumber blob, const std::vector<BlobPart>& parts, std::string& value);

// Lays contents out in a blob, then fills its value.
class BlobLayout {
 public:
  // A blob that would grow past this is closed and the next one begun (bytes): sixteen pages, with
  // LMDB's header. LMDB looks for as many free pages in a row, so much larger ones would hardly
  // ever find any in an aged file, and blobs of one size fit into one another's place.
  static constexpr std::size_t size_max = 16 * 4096 - 16;

  bool takes(std::size_t size) const;
  // The content must stay where it is until fill().
  void add(mail::QueueId id, std::string_view content);
  std::size_t count() const { return parts_.size(); }
  std::size_t value_size() const;
  // `value` has value_size() bytes. Returns the place of each part, in the order of add().
  std::vector<ContentPlace> fill(BlobNumber blob, void* value) const;

 private:
  struct Content {
    mail::QueueId id;
    std::string_view bytes;
  };

  std::vector<Content> parts_;
  std::size_t content_size_ = 0;
};

// How much of a blob is alive; kept from the moment when something in it was discarded.
struct BlobLife {
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;  // of living contents
  std::uint64_t total = 0;  // of all contents
};
std::string encode_life(const BlobLife& life);
std::optional<BlobLife> decode_life(std::string_view payload);

}  // namespace brevdue::backends

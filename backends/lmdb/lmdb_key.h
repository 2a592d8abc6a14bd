// Keys of the databases. Ids and numbers of blobs are native integers (MDB_INTEGERKEY), so that
// LMDB compares them as such; settlements are keyed by big-endian bytes, so that those of a message
// lie together in their order and both databases are walked in the same order of ids. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include <lmdb.h>

#include "mail/queue_id.h"
#include "queue/store.h"

namespace brevdue::backends {

inline queue::Location location_of(mail::QueueId id) {
  queue::Location location;
  const std::uint64_t value = id.value();
  std::memcpy(location.bytes.data(), &value, sizeof value);
  return location;
}

class IntegerKey {
 public:
  explicit IntegerKey(std::uint64_t number) : number_(number), value_{sizeof number_, &number_} {}
  explicit IntegerKey(mail::QueueId id) : IntegerKey(id.value()) {}
  IntegerKey(const IntegerKey&) = delete;
  IntegerKey& operator=(const IntegerKey&) = delete;
  MDB_val* value() { return &value_; }

 private:
  std::uint64_t number_;
  MDB_val value_;
};

inline std::optional<std::uint64_t> integer_of(const MDB_val& key) {
  std::uint64_t number = 0;
  if (key.mv_size != sizeof number) return std::nullopt;
  std::memcpy(&number, key.mv_data, sizeof number);
  return number;
}

inline std::optional<mail::QueueId> id_of_integer(const MDB_val& key) {
  const auto number = integer_of(key);
  if (!number) return std::nullopt;
  return mail::QueueId(*number);
}

class SettlementKey {
 public:
  SettlementKey(mail::QueueId id, std::uint32_t sequence) : value_{bytes_.size(), bytes_.data()} {
    const std::uint64_t big_id = __builtin_bswap64(id.value());
    const std::uint32_t big_sequence = __builtin_bswap32(sequence);
    std::memcpy(bytes_.data(), &big_id, sizeof big_id);
    std::memcpy(bytes_.data() + sizeof big_id, &big_sequence, sizeof big_sequence);
  }
  SettlementKey(const SettlementKey&) = delete;
  SettlementKey& operator=(const SettlementKey&) = delete;
  MDB_val* value() { return &value_; }

 private:
  std::array<char, 12> bytes_;
  MDB_val value_;
};

inline std::optional<mail::QueueId> id_of_settlement(const MDB_val& key) {
  std::uint64_t id = 0;
  if (key.mv_size != 12) return std::nullopt;
  std::memcpy(&id, key.mv_data, sizeof id);
  return mail::QueueId(__builtin_bswap64(id));
}

}  // namespace brevdue::backends

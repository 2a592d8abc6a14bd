#include "backends/lmdb/lmdb_rebuild.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_records.h"

namespace brevdue::backends {

namespace {
constexpr std::uint64_t piece_bytes_max = 1u << 20;
constexpr std::size_t piece_records_max = 256;

// Transactions of a bounded size, one after the other.
class Writer {
 public:
  explicit Writer(LmdbEnvironment& environment) : environment_(environment) {}

  // Keys of a database ascend.
  Result<void> put(MDB_dbi database, MDB_val key, std::string_view value) {
    if (bytes_ + value.size() > piece_bytes_max || records_ == piece_records_max) {
      if (auto done = commit(); !done) return done;
    }
    if (!transaction_) {
      // Whatever comes first must fit by itself.
      const std::uint64_t content = std::max<std::uint64_t>(piece_bytes_max, value.size()) * 2;
      auto admitted = environment_.admit({content, piece_records_max});
      if (!admitted) return admitted;
      auto begun = environment_.begin_write();
      if (!begun) return propagate(std::move(begun.error()));
      transaction_ = std::move(*begun);
    }
    bytes_ += value.size();
    ++records_;
    MDB_val at{value.size(), const_cast<char*>(value.data())};
    const int code = mdb_put(transaction_.get(), database, &key, &at, MDB_APPEND);
    return code == 0 ? Result<void>() : fail_lmdb(code, "build anew");
  }

  // As put_checked.
  Result<void> put_life(BlobNumber blob, const BlobLife& life) {
    IntegerKey key(blob);
    std::string value(value_header + encode_life(life).size(), '\0');
    fill_value(value.data(), ValueKind::life, *key.value(), encode_life(life));
    return put(environment_.sparse, *key.value(), value);
  }

  Result<void> commit() {
    bytes_ = 0;
    records_ = 0;
    return transaction_ ? environment_.commit(std::move(transaction_)) : Result<void>();
  }

 private:
  LmdbEnvironment& environment_;
  Transaction transaction_;
  std::uint64_t bytes_ = 0;
  std::size_t records_ = 0;
};

// How much of it is alive; nothing if all is, or its list is damaged.
std::optional<BlobLife> life_of(const LmdbSalvage& salvaged, BlobNumber blob,
                                std::string_view value) {
  const auto parts = parts_of(blob, {value.size(), const_cast<char*>(value.data())});
  if (!parts || salvaged.found_in(blob).size() >= parts->size()) return std::nullopt;
  BlobLife life;
  for (const BlobPart& part : *parts) {
    life.total += part.size;
    if (!salvaged.envelopes().contains(part.id)) continue;
    ++life.count;
    life.bytes += part.size;
  }
  return life;
}

Result<void> write_all(const LmdbSalvage& salvaged, LmdbEnvironment& environment) {
  Writer writer(environment);
  std::vector<std::pair<BlobNumber, BlobLife>> lives;
  for (const auto& [blob, place] : salvaged.contents()) {
    if (salvaged.found_in(blob).empty()) continue;
    auto value = salvaged.value_of(place);
    // Its messages are held when they are read.
    if (!value) continue;
    const MDB_val bytes{value->size(), value->data()};
    if (!parts_of(blob, bytes)) write_list(blob, salvaged.found_in(blob), *value);
    if (const auto life = life_of(salvaged, blob, *value)) lives.emplace_back(blob, *life);
    IntegerKey key(blob);
    if (auto done = writer.put(environment.contents, *key.value(), *value); !done) return done;
  }
  for (const auto& [blob, life] : lives) {
    if (auto done = writer.put_life(blob, life); !done) return done;
  }
  for (const auto& [id, value] : salvaged.envelopes()) {
    IntegerKey key(id);
    if (auto done = writer.put(environment.envelopes, *key.value(), value); !done) return done;
  }
  for (const auto& [key, value] : salvaged.settlements()) {
    const MDB_val at{key.size(), const_cast<char*>(key.data())};
    const auto id = id_of_settlement(at);
    if (!id || !salvaged.envelopes().contains(*id)) continue;
    if (auto done = writer.put(environment.settlements, at, value); !done) return done;
  }
  return writer.commit();
}

Result<void> sync_directory(const std::string& path) {
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || (lmdb_syncs && ::fsync(directory.get()) != 0)) {
    return fail_os(errno, "lmdb: sync " + path);
  }
  return {};
}
}  // namespace

void remove_files(const std::string& path) {
  ::unlink((path + "/data.mdb").c_str());
  ::unlink((path + "/lock.mdb").c_str());
}

void remove_environment(const std::string& path) {
  remove_files(path);
  ::rmdir(path.c_str());
}

Result<void> rebuild(const LmdbSalvage& salvaged, const EnvironmentOptions& options) {
  remove_environment(options.path);
  LmdbEnvironment environment;
  if (auto opened = environment.open(options); !opened) return opened;
  return write_all(salvaged, environment);
}

Result<std::string> replace_environment(const std::string& path, const std::string& fresh,
                                        const std::string& quarantine) {
  std::string kept;
  for (unsigned number = 1; kept.empty(); ++number) {
    const std::string name = quarantine + "/data.mdb." + std::to_string(number);
    if (::link((path + "/data.mdb").c_str(), name.c_str()) == 0) {
      kept = name;
    } else if (errno != EEXIST) {
      return fail_os(errno, "lmdb: keep the damaged file as " + name);
    }
  }
  if (auto done = sync_directory(quarantine); !done) return propagate(std::move(done.error()));
  if (::rename((fresh + "/data.mdb").c_str(), (path + "/data.mdb").c_str()) != 0) {
    return fail_os(errno, "lmdb: put the new file in its place");
  }
  ::unlink((path + "/lock.mdb").c_str());
  remove_environment(fresh);
  if (auto done = sync_directory(path); !done) return propagate(std::move(done.error()));
  return kept;
}

}  // namespace brevdue::backends

// What can be read of a damaged environment (FORMAT.md, "Damage"): records of whole pages to which
// the trees lead; single records of damaged ones, by their own checksums; and, where a part of a
// tree is lost, those of pages that are neither free nor in a tree. Used once.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/lmdb/lmdb_content.h"
#include "backends/lmdb/lmdb_file.h"
#include "backends/lmdb/lmdb_walk.h"
#include "queue/store.h"

namespace brevdue::backends {

// The newest meta page, if both are right and follow one another as they must.
std::optional<MetaPage> newest_meta(const LmdbFile& file);

class LmdbSalvage {
 public:
  struct Blob {
    PageNumber page = no_page;  // of its own; none if it is here
    std::uint32_t size = 0;
    std::string here;
  };

  explicit LmdbSalvage(const LmdbFile& file) : file_(file) {}

  // Reads the whole file, if it must.
  void run();

  // By key, values as they are stored; checksums may not hold where a tree led to them.
  const std::map<mail::QueueId, std::string>& envelopes() const { return envelopes_; }
  const std::map<std::string, std::string>& settlements() const { return settlements_; }
  const std::map<BlobNumber, Blob>& contents() const { return contents_; }
  // Places and messages, in words.
  const std::vector<queue::Quarantined>& damage() const { return damage_; }
  // The value of a blob; an error if it cannot be read.
  Result<std::string> value_of(const Blob& blob) const;
  // Of a blob: the messages in it that were found; of others it is not known whether they live.
  const std::vector<BlobPart>& found_in(BlobNumber blob) const;

 private:
  enum class Origin { tree, page };

  std::optional<MetaPage> choose_meta();
  void take_leaf(LmdbTree tree, const NodePage& page);
  void take(const PageNode& node);
  void scan_damaged(PageNumber number);
  void scan_strangers(const LmdbWalk* walk);
  PageNumber stranger(PageNumber number, bool free_is_known);
  // Messages and the blobs that they speak of and that were not found.
  using Wanted = std::multimap<mail::QueueId, BlobNumber>;
  Wanted wanted_blobs() const;
  void find_lost_blobs();
  void take_wanted(const Wanted& wanted, PageNumber number, std::string_view page);
  // Where even the list of a blob is damaged: contents are looked for by their checksums.
  void find_lost_contents();
  std::optional<std::string> find_content(mail::QueueId id, const ContentPlace& place,
                                          std::uint64_t& budget) const;
  void give_own_blob(mail::QueueId id, std::string& envelope, std::string_view content,
                     BlobNumber blob);
  void choose_blobs();
  void choose_strangers();
  bool has_content(mail::QueueId id, const ContentPlace& place) const;
  void tell_what_is_lost();
  std::optional<std::string> value_of(const PageNode& node) const;
  void report(PageNumber page, const std::string& what);

  const LmdbFile& file_;
  std::atomic<bool> cancelled_{false};
  bool meta_is_certain_ = false;
  std::map<mail::QueueId, std::string> envelopes_;
  std::map<std::string, std::string> settlements_;
  std::map<BlobNumber, Blob> contents_;
  std::map<BlobNumber, BlobLife> lives_;
  // Envelopes to which no tree leads; of one message there may be several, older ones among them.
  std::multimap<mail::QueueId, std::string> strangers_;
  std::multimap<BlobNumber, Blob> stranger_blobs_;  // numbers are given out again
  std::set<BlobNumber> certain_;                    // blobs to which a tree leads
  std::map<BlobNumber, std::vector<BlobPart>> found_in_;
  std::vector<queue::Quarantined> damage_;
};

}  // namespace brevdue::backends

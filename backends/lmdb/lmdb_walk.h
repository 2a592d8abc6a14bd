// Walks the trees of an LMDB file from a meta page and checks all that liblmdb takes for granted:
// numbers, bounds, order of keys, counts, and that no page is used twice. Contents of values are
// not looked at. One thread, beside a writer as long as a read transaction keeps the pages.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backends/lmdb/lmdb_file.h"

namespace brevdue::backends {

enum class LmdbTree : std::uint8_t { free, main, envelopes, contents, sparse, settlements };

struct PageFault {
  PageNumber page;
  std::string what;
};

class LmdbWalk {
 public:
  // What every write goes through (branches, the free pages, and the last leaf of each tree); or
  // every leaf as well; or also values that have pages of their own: the first page of each, and
  // whether a blob is the one that its key says.
  enum class Reach { branches, leaves, values };
  // A leaf of which all is right.
  using OnLeaf = std::function<void(LmdbTree tree, const NodePage& page)>;

  // Ends early when `cancelled` becomes true.
  LmdbWalk(const LmdbFile& file, Reach reach, const std::atomic<bool>& cancelled)
      : file_(file), reach_(reach), cancelled_(cancelled) {}

  void run(const MetaPage& meta, const OnLeaf& on_leaf);

  // Damaged pages, once each.
  const std::vector<PageFault>& faults() const { return faults_; }
  // Leaves of our databases that are damaged.
  const std::vector<PageNumber>& damaged_leaves() const { return damaged_leaves_; }
  // Pages may exist to which nothing leads any more.
  bool lost_pages() const { return lost_pages_; }
  bool is_used(PageNumber page) const { return page < used_.size() && used_[page]; }
  // Nothing can be said unless the list of free pages is whole.
  bool free_is_whole() const { return free_is_whole_; }
  bool is_free(PageNumber page) const { return page < free_.size() && free_[page]; }
  // Pages that there are of our databases, as the trees themselves say.
  std::uint64_t size() const;

 private:
  struct Bounds {
    std::optional<std::string> low;   // at or above
    std::optional<std::string> high;  // below
    bool last = true;                 // nothing of the tree lies behind it
  };
  struct Counts {
    std::uint64_t branches = 0;
    std::uint64_t leaves = 0;
    std::uint64_t overflows = 0;
    std::uint64_t entries = 0;
  };

  void walk(LmdbTree tree, const TreeRecord& record, const OnLeaf& on_leaf);
  void descend(LmdbTree tree, const TreeRecord& record, PageNumber page, unsigned level,
               const Bounds& bounds, const OnLeaf& on_leaf);
  void branch(LmdbTree tree, const TreeRecord& record, const NodePage& page, unsigned level,
              const Bounds& bounds, const OnLeaf& on_leaf);
  bool leaf(LmdbTree tree, PageNumber number, const NodePage& page);
  bool in_order(LmdbTree tree, const NodePage& page, const Bounds& bounds) const;
  bool take_overflow(LmdbTree tree, const PageNode& node);
  bool is_blob(const PageNode& node) const;
  bool take_free(const PageNode& node);
  bool use(PageNumber first, std::uint64_t count);
  void damaged(PageNumber page, std::string what);

  const LmdbFile& file_;
  const Reach reach_;
  const std::atomic<bool>& cancelled_;
  PageNumber end_ = 0;  // behind the last page that LMDB uses
  std::vector<bool> used_;
  std::vector<bool> free_;
  std::vector<PageFault> faults_;
  std::vector<PageNumber> damaged_leaves_;
  std::array<std::optional<TreeRecord>, 6> records_;
  Counts counts_;
  bool lost_pages_ = false;
  bool free_is_whole_ = false;
};

}  // namespace brevdue::backends

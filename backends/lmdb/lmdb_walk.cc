#include "backends/lmdb/lmdb_walk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "backends/lmdb/lmdb_content.h"
#include "core/bytes.h"

namespace brevdue::backends {

namespace {
constexpr std::uint16_t integer_keys = 8;
constexpr unsigned depth_max = 32;

constexpr std::pair<std::string_view, LmdbTree> databases[] = {
    {"envelopes", LmdbTree::envelopes},
    {"contents", LmdbTree::contents},
    {"sparse", LmdbTree::sparse},
    {"settlements", LmdbTree::settlements}};

bool has_integer_keys(LmdbTree tree) {
  return tree != LmdbTree::main && tree != LmdbTree::settlements;
}

bool is_key(LmdbTree tree, std::string_view key) {
  return has_integer_keys(tree) ? key.size() == sizeof(std::uint64_t) : !key.empty();
}

bool less(LmdbTree tree, std::string_view left, std::string_view right) {
  if (!has_integer_keys(tree)) return left < right;
  return ByteReader(left).get<std::uint64_t>() < ByteReader(right).get<std::uint64_t>();
}

std::string_view name_of(LmdbTree tree) {
  if (tree == LmdbTree::free) return "free pages";
  for (const auto& [name, database] : databases) {
    if (database == tree) return name;
  }
  return "names";
}
}  // namespace

void LmdbWalk::run(const MetaPage& meta, const OnLeaf& on_leaf) {
  end_ = std::min(meta.last_page + 1, file_.pages());
  used_.assign(end_, false);
  free_.assign(end_, false);
  if (meta.last_page >= file_.pages()) {
    damaged(
        0, fmt::format("data.mdb is cut short: {} of {} pages", file_.pages(), meta.last_page + 1));
    lost_pages_ = true;
  }
  const std::size_t before = faults_.size();
  walk(LmdbTree::free, meta.free, on_leaf);
  free_is_whole_ = faults_.size() == before;
  walk(LmdbTree::main, meta.main, on_leaf);
  for (const auto& [name, tree] : databases) {
    const auto& record = records_[static_cast<std::size_t>(tree)];
    if (record) walk(tree, *record, on_leaf);
    // An environment that was just made has none of them, later ones all.
    if (!record && meta.main.root != no_page) {
      damaged(meta.main.root, fmt::format("database {} is not to be found", name));
      lost_pages_ = true;
    }
  }
  for (PageNumber page = 0; page < end_; ++page) {
    if (!used_[page] || !free_[page]) continue;
    damaged(page, "it is used and free at once");
    free_is_whole_ = false;
  }
}

void LmdbWalk::walk(LmdbTree tree, const TreeRecord& record, const OnLeaf& on_leaf) {
  counts_ = {};
  if (record.root == no_page) {
    if (record.entries != 0) lost_pages_ = true;
    if (record.entries != 0) damaged(0, fmt::format("the tree of {} has no root", name_of(tree)));
    return;
  }
  const std::size_t before = faults_.size();
  descend(tree, record, record.root, 1, {}, on_leaf);
  if (reach_ == Reach::branches && tree != LmdbTree::free && tree != LmdbTree::main) return;
  const bool complete =
      counts_.branches == record.branch_pages && counts_.leaves == record.leaf_pages &&
      counts_.overflows == record.overflow_pages && counts_.entries == record.entries;
  if (complete || faults_.size() > before || cancelled_) return;
  damaged(record.root, fmt::format("the tree of {} has {} records where there were {}",
                                   name_of(tree), counts_.entries, record.entries));
  lost_pages_ = true;
}

std::uint64_t LmdbWalk::size() const {
  std::uint64_t size = 0;
  for (const auto& record : records_) {
    if (record) size += record->leaf_pages + record->overflow_pages;
  }
  return size;
}

void LmdbWalk::damaged(PageNumber page, std::string what) {
  const bool known = std::ranges::any_of(
      faults_, [page](const PageFault& fault) { return fault.page == page && page != 0; });
  if (!known) faults_.push_back({page, std::move(what)});
}

bool LmdbWalk::use(PageNumber first, std::uint64_t count) {
  if (first < 2 || first >= end_ || count > end_ - first) return false;
  for (PageNumber page = first; page < first + count; ++page) {
    if (used_[page]) return false;
  }
  for (PageNumber page = first; page < first + count; ++page) used_[page] = true;
  return true;
}

void LmdbWalk::descend(LmdbTree tree, const TreeRecord& record, PageNumber page, unsigned level,
                       const Bounds& bounds, const OnLeaf& on_leaf) {
  const bool is_leaf = level == record.depth;
  const auto lost = [&](std::string what) {
    damaged(page, fmt::format("page of {}: {}", name_of(tree), std::move(what)));
    if (is_leaf && is_used(page) && tree > LmdbTree::main) damaged_leaves_.push_back(page);
    if (!is_leaf || !is_used(page)) lost_pages_ = true;
  };
  if (cancelled_) return;
  if (record.depth > depth_max || record.depth == 0) return lost("its tree has no such depth");
  if (!use(page, 1)) return lost("nothing of the tree can lie there");
  const bool ours = tree > LmdbTree::main;
  if (is_leaf) ++counts_.leaves;
  if (is_leaf && ours && reach_ == Reach::branches && !bounds.last) return;
  const auto bytes = file_.page(page);
  if (!bytes) return lost(describe(bytes.error()));
  std::string fault;
  const auto found = decode_node_page(*bytes, page, fault);
  if (!found) return lost(fault);
  if ((found->kind == PageKind::leaf) != is_leaf) return lost("it is at the wrong depth");
  if (!in_order(tree, *found, bounds)) return lost("its keys are out of order");
  if (!is_leaf) return branch(tree, record, *found, level, bounds, on_leaf);
  if (!leaf(tree, page, *found)) return lost("a value does not lie where it should");
  on_leaf(tree, *found);
}

void LmdbWalk::branch(LmdbTree tree, const TreeRecord& record, const NodePage& page, unsigned level,
                      const Bounds& bounds, const OnLeaf& on_leaf) {
  ++counts_.branches;
  for (std::size_t i = 0; i < page.nodes.size(); ++i) {
    const bool is_last = i + 1 == page.nodes.size();
    Bounds part;
    part.low = i == 0 ? bounds.low : std::optional(std::string(page.nodes[i].key));
    part.high = is_last ? bounds.high : std::optional(std::string(page.nodes[i + 1].key));
    part.last = bounds.last && is_last;
    descend(tree, record, page.nodes[i].page, level + 1, part, on_leaf);
  }
}

// The first key of a branch means nothing.
bool LmdbWalk::in_order(LmdbTree tree, const NodePage& page, const Bounds& bounds) const {
  for (std::size_t i = page.kind == PageKind::branch ? 1 : 0; i < page.nodes.size(); ++i) {
    const std::string_view key = page.nodes[i].key;
    if (!is_key(tree, key)) return false;
    if (bounds.low && less(tree, key, *bounds.low)) return false;
    if (bounds.high && !less(tree, key, *bounds.high)) return false;
    const bool has_before = i > (page.kind == PageKind::branch ? 1u : 0u);
    if (has_before && !less(tree, page.nodes[i - 1].key, key)) return false;
  }
  return true;
}

bool LmdbWalk::leaf(LmdbTree tree, PageNumber number, const NodePage& page) {
  counts_.entries += page.nodes.size();
  for (const PageNode& node : page.nodes) {
    const bool is_tree = node.kind == PageNode::Value::tree;
    if (is_tree != (tree == LmdbTree::main)) return false;
    if (node.kind == PageNode::Value::in_overflow && !take_overflow(tree, node)) return false;
    if (tree == LmdbTree::free && !take_free(node)) return false;
    if (tree == LmdbTree::contents && reach_ == Reach::values && !is_blob(node)) return false;
    if (!is_tree) continue;
    const auto record = decode_tree_record(node.value);
    for (const auto& [name, database] : databases) {
      if (name != node.key) continue;
      const std::uint16_t flags = has_integer_keys(database) ? integer_keys : 0;
      if (!record || record->flags != flags) {
        damaged(number, fmt::format("what is known of database {} is damaged", name));
        lost_pages_ = true;
        continue;
      }
      records_[static_cast<std::size_t>(database)] = *record;
    }
  }
  return true;
}

bool LmdbWalk::take_overflow(LmdbTree tree, const PageNode& node) {
  const std::uint64_t count = overflow_count(node.size, file_.page_size());
  counts_.overflows += count;
  if (!use(node.page, count)) return false;
  // Others are looked at when they are read or removed.
  if (tree != LmdbTree::free && reach_ != Reach::values) return true;
  const auto bytes = file_.page(node.page);
  const auto first = bytes ? decode_overflow_page(*bytes) : std::nullopt;
  if (!first || first->number != node.page) return false;
  // The list of free pages is written into what it had before.
  return tree == LmdbTree::free ? first->count >= count : first->count == count;
}

bool LmdbWalk::is_blob(const PageNode& node) const {
  const bool elsewhere = node.kind == PageNode::Value::in_overflow;
  auto value = elsewhere ? file_.value(node.page, node.size) : std::string(node.value);
  if (!value) return false;
  return parts_of(ByteReader(node.key).get<BlobNumber>(), {value->size(), value->data()})
      .has_value();
}

// Of the free pages: how many, then which, the highest first.
bool LmdbWalk::take_free(const PageNode& node) {
  std::string elsewhere;
  std::string_view value = node.value;
  if (node.kind == PageNode::Value::in_overflow) {
    auto read = file_.value(node.page, node.size);
    if (!read) return false;
    elsewhere = std::move(*read);
    value = elsewhere;
  }
  ByteReader in(value);
  const auto count = in.get<std::uint64_t>();
  if (count > value.size() / sizeof(PageNumber)) return false;
  PageNumber before = end_;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto page = in.get<PageNumber>();
    if (!in.ok() || page < 2 || page >= before || free_[page]) return false;
    free_[page] = true;
    before = page;
  }
  return true;
}

}  // namespace brevdue::backends

// The pages of an LMDB 0.9 file as they lie on the disk, read by ourselves: liblmdb trusts them,
// and one that is damaged makes it lose records or ends the process. Nothing here trusts them.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace brevdue::backends {

using PageNumber = std::uint64_t;

inline constexpr PageNumber no_page = UINT64_MAX;  // the root of an empty tree
inline constexpr std::size_t page_header_size = 16;
inline constexpr std::size_t node_header_size = 8;

// What LMDB knows of a tree.
struct TreeRecord {
  static constexpr std::size_t encoded_size = 48;

  std::uint32_t page_size = 0;  // only in the record of the free pages
  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t branch_pages = 0;
  std::uint64_t leaf_pages = 0;
  std::uint64_t overflow_pages = 0;
  std::uint64_t entries = 0;
  PageNumber root = no_page;
};
std::optional<TreeRecord> decode_tree_record(std::string_view bytes);

struct MetaPage {
  TreeRecord free;  // pages that may be used again
  TreeRecord main;  // names of databases
  PageNumber last_page = 0;
  std::uint64_t transaction = 0;
};
// Page 0 or 1; nothing unless all that can be known of it is right.
std::optional<MetaPage> decode_meta_page(std::string_view page, PageNumber number);

enum class PageKind : std::uint16_t { branch = 1, leaf = 2, overflow = 4 };

struct PageNode {
  enum class Value : std::uint16_t { here = 0, in_overflow = 1, tree = 2 };

  std::string_view key;
  Value kind = Value::here;
  PageNumber page = 0;     // of a branch: the child; in_overflow: where its value begins
  std::uint32_t size = 0;  // of the value
  std::string_view value;  // if it is here
};

struct NodePage {
  PageKind kind = PageKind::leaf;
  std::vector<PageNode> nodes;  // views into the page
};
// A branch or leaf page whose own number, bounds and nodes are right; `fault` says what is not.
std::optional<NodePage> decode_node_page(std::string_view page, PageNumber number,
                                         std::string& fault);
// What the first page of a value says of itself; nothing if it is no such page.
struct OverflowPage {
  PageNumber number = 0;
  std::uint32_t count = 0;  // of pages
};
std::optional<OverflowPage> decode_overflow_page(std::string_view page);
// Pages that a value of its own takes.
std::uint64_t overflow_count(std::uint64_t size, std::size_t page_size);
// The node at `offset`, if one of a leaf can lie there.
std::optional<PageNode> decode_leaf_node(std::string_view page, std::size_t offset);

}  // namespace brevdue::backends

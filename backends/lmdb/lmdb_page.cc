#include "backends/lmdb/lmdb_page.h"

#include "core/bytes.h"

namespace brevdue::backends {

namespace {
constexpr std::uint32_t meta_magic = 0xBEEFC0DE;
constexpr std::uint32_t meta_version = 1;
constexpr std::uint16_t meta_flag = 8;
constexpr std::uint16_t made_as_file = 0x4000;  // MDB_NOSUBDIR
constexpr std::uint16_t integer_keys = 8;

struct PageHeader {
  PageNumber number;
  std::uint16_t flags;
  std::uint16_t lower;  // of an overflow page the two are the count of pages
  std::uint16_t upper;
};

PageHeader decode_header(std::string_view page) {
  ByteReader in(page.substr(0, page_header_size));
  PageHeader header{};
  header.number = in.get<PageNumber>();
  (void)in.get<std::uint16_t>();  // unused, and not set
  header.flags = in.get<std::uint16_t>();
  header.lower = in.get<std::uint16_t>();
  header.upper = in.get<std::uint16_t>();
  return header;
}

std::size_t even(std::size_t size) {
  return size + size % 2;
}

// Its size in the page, 0 if it does not fit.
std::size_t read_node(std::string_view page, std::size_t offset, PageKind kind, PageNode& node) {
  if (offset + node_header_size > page.size()) return 0;
  ByteReader in(page.substr(offset, node_header_size));
  const auto low = in.get<std::uint16_t>();
  const auto high = in.get<std::uint16_t>();
  const auto flags = in.get<std::uint16_t>();
  const auto key_size = in.get<std::uint16_t>();
  const std::string_view rest = page.substr(offset + node_header_size);
  if (key_size > rest.size()) return 0;
  node.key = rest.substr(0, key_size);
  const std::size_t head = node_header_size + key_size;
  if (kind == PageKind::branch) {
    node.page = low | std::uint64_t{high} << 16 | std::uint64_t{flags} << 32;
    return even(head);
  }
  if (flags > static_cast<std::uint16_t>(PageNode::Value::tree)) return 0;
  node.kind = static_cast<PageNode::Value>(flags);
  node.size = low | std::uint32_t{high} << 16;
  const bool elsewhere = node.kind == PageNode::Value::in_overflow;
  const std::size_t here = elsewhere ? sizeof(PageNumber) : node.size;
  if (here > rest.size() - key_size) return 0;
  node.value = rest.substr(key_size, here);
  if (elsewhere) node.page = ByteReader(node.value).get<PageNumber>();
  return even(head + here);
}
}  // namespace

std::optional<TreeRecord> decode_tree_record(std::string_view bytes) {
  ByteReader in(bytes);
  TreeRecord tree;
  tree.page_size = in.get<std::uint32_t>();
  tree.flags = in.get<std::uint16_t>();
  tree.depth = in.get<std::uint16_t>();
  tree.branch_pages = in.get<std::uint64_t>();
  tree.leaf_pages = in.get<std::uint64_t>();
  tree.overflow_pages = in.get<std::uint64_t>();
  tree.entries = in.get<std::uint64_t>();
  tree.root = in.get<PageNumber>();
  if (!in.at_end()) return std::nullopt;
  return tree;
}

std::optional<MetaPage> decode_meta_page(std::string_view page, PageNumber number) {
  const PageHeader header = decode_header(page);
  if (header.number != number || header.flags != meta_flag) return std::nullopt;
  ByteReader in(page.substr(page_header_size));
  if (in.get<std::uint32_t>() != meta_magic || in.get<std::uint32_t>() != meta_version) {
    return std::nullopt;
  }
  (void)in.get<std::uint64_t>();  // address of a fixed map
  (void)in.get<std::uint64_t>();  // size of the map
  constexpr std::size_t trees_at = page_header_size + 24;
  const auto free = decode_tree_record(page.substr(trees_at, TreeRecord::encoded_size));
  const auto main = decode_tree_record(
      page.substr(trees_at + TreeRecord::encoded_size, TreeRecord::encoded_size));
  ByteReader end(page.substr(trees_at + 2 * TreeRecord::encoded_size));
  MetaPage meta;
  meta.last_page = end.get<PageNumber>();
  meta.transaction = end.get<std::uint64_t>();
  if (!free || !main || free->page_size != page.size() || main->flags != 0) return std::nullopt;
  // The file was made under a name of its own; LMDB keeps that flag of the environment here.
  if ((free->flags & ~made_as_file) != integer_keys) return std::nullopt;
  meta.free = *free;
  meta.main = *main;
  return meta;
}

std::optional<NodePage> decode_node_page(std::string_view page, PageNumber number,
                                         std::string& fault) {
  const PageHeader header = decode_header(page);
  const auto refuse = [&fault](const char* what) {
    fault = what;
    return std::nullopt;
  };
  if (header.number != number) return refuse("it has another page's number");
  NodePage found;
  found.kind = static_cast<PageKind>(header.flags);
  if (found.kind != PageKind::branch && found.kind != PageKind::leaf) {
    return refuse("it is no page of a tree");
  }
  const bool bounded = header.lower >= page_header_size && header.lower % 2 == 0 &&
                       header.lower <= header.upper && header.upper <= page.size();
  if (!bounded) return refuse("its bounds are damaged");
  const std::size_t count = (header.lower - page_header_size) / 2;
  std::size_t taken = 0;
  ByteReader offsets(page.substr(page_header_size));
  found.nodes.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto offset = offsets.get<std::uint16_t>();
    PageNode node;
    const std::size_t size = offset < header.upper ? 0 : read_node(page, offset, found.kind, node);
    if (size == 0) return refuse("one of its nodes is damaged");
    taken += size;
    found.nodes.push_back(node);
  }
  if (count == 0 || taken != page.size() - header.upper) return refuse("its nodes are damaged");
  return found;
}

std::uint64_t overflow_count(std::uint64_t size, std::size_t page_size) {
  return (page_header_size - 1 + size) / page_size + 1;
}

// One that is being written has one flag more.
std::optional<OverflowPage> decode_overflow_page(std::string_view page) {
  constexpr std::uint16_t dirty = 16;
  const PageHeader header = decode_header(page);
  const auto flags = static_cast<std::uint16_t>(header.flags & ~dirty);
  if (flags != static_cast<std::uint16_t>(PageKind::overflow)) return std::nullopt;
  return OverflowPage{header.number, header.lower | std::uint32_t{header.upper} << 16};
}

std::optional<PageNode> decode_leaf_node(std::string_view page, std::size_t offset) {
  PageNode node;
  if (read_node(page, offset, PageKind::leaf, node) == 0) return std::nullopt;
  return node;
}

}  // namespace brevdue::backends

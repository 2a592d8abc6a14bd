#include "backends/lmdb/lmdb_salvage.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_records.h"
#include "core/bytes.h"

namespace brevdue::backends {

namespace {
constexpr std::size_t settlement_key_size = 12;
constexpr std::size_t list_header_size = 8;

MDB_val val(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

// Nothing if its checksum does not hold.
std::optional<ContentPlace> place_of(mail::QueueId id, const std::string& envelope) {
  IntegerKey key(id);
  const auto stored = stored_envelope(*key.value(), val(envelope));
  return stored ? std::optional(stored->content) : std::nullopt;
}

BlobNumber claimed_blob(mail::QueueId id, const std::string& envelope) {
  const auto place = place_of(id, envelope);
  return place ? place->blob : 0;
}

// Whether a blob with this message may begin at `at`, if not all that tells it is damaged: the
// number of its page, or its own in the record, or the first message in its list.
bool may_be_blob(std::string_view page, PageNumber number, std::size_t at, mail::QueueId id,
                 BlobNumber blob) {
  const bool own_page = at == page_header_size && ByteReader(page).get<PageNumber>() == number;
  const auto before = ByteReader(page.substr(at - sizeof blob)).get<BlobNumber>();
  const std::string_view list = page.substr(at, list_header_size + sizeof(std::uint64_t));
  const bool listed = list.size() > list_header_size &&
                      ByteReader(list.substr(list_header_size)).get<std::uint64_t>() == id.value();
  return own_page || before == blob || listed;
}

bool is_content(std::string_view blob, mail::QueueId id, const ContentPlace& place) {
  return place.offset <= blob.size() && place.size <= blob.size() - place.offset &&
         content_crc(id, blob.substr(place.offset, place.size)) == place.crc;
}

// Or may be one: its number or its kind may be damaged, not both.
bool is_leaf(std::string_view page, PageNumber number) {
  constexpr std::size_t flags_at = 10;
  const auto flags = ByteReader(page.substr(flags_at)).get<std::uint16_t>();
  const bool own = ByteReader(page).get<PageNumber>() == number;
  const bool elsewhere = flags == static_cast<std::uint16_t>(PageKind::overflow);
  return flags == static_cast<std::uint16_t>(PageKind::leaf) || (own && !elsewhere);
}

std::optional<MetaPage> meta_of(const LmdbFile& file, PageNumber number) {
  const auto page = file.page(number);
  auto meta = page ? decode_meta_page(*page, number) : std::nullopt;
  // They take turns.
  if (meta && meta->transaction != 0 && meta->transaction % 2 != number) return std::nullopt;
  return meta;
}
}  // namespace

std::optional<MetaPage> newest_meta(const LmdbFile& file) {
  const auto even = meta_of(file, 0);
  const auto odd = meta_of(file, 1);
  if (!even || !odd) return std::nullopt;
  const std::uint64_t newest = std::max(even->transaction, odd->transaction);
  const std::uint64_t other = std::min(even->transaction, odd->transaction);
  if (newest != other + 1 && newest != 0) return std::nullopt;
  return even->transaction > odd->transaction ? even : odd;
}

std::optional<MetaPage> LmdbSalvage::choose_meta() {
  auto newest = newest_meta(file_);
  meta_is_certain_ = newest.has_value();
  if (newest) return newest;
  const auto even = meta_of(file_, 0);
  const auto odd = meta_of(file_, 1);
  if (!even) report(0, "the meta page is damaged");
  if (!odd) report(1, "the meta page is damaged");
  if (even && odd) report(0, "the meta pages do not follow one another");
  if (!even || !odd) return even ? even : odd;
  return even->transaction > odd->transaction ? even : odd;
}

void LmdbSalvage::run() {
  const auto meta = choose_meta();
  if (!meta) {
    damage_.push_back({"lmdb/data.mdb", fmt::format("how long it was is not known; it has {} bytes",
                                                    file_.pages() * file_.page_size())});
    scan_strangers(nullptr);
  } else {
    LmdbWalk walk(file_, LmdbWalk::Reach::values, cancelled_);
    walk.run(*meta, [this](LmdbTree tree, const NodePage& page) { take_leaf(tree, page); });
    for (const PageFault& fault : walk.faults()) report(fault.page, fault.what);
    for (const PageNumber page : walk.damaged_leaves()) scan_damaged(page);
    if (walk.lost_pages() || !meta_is_certain_) scan_strangers(&walk);
  }
  find_lost_blobs();
  choose_blobs();
  find_lost_contents();
  choose_strangers();
  for (const auto& [id, value] : envelopes_) {
    const auto place = place_of(id, value);
    if (place && place->blob != 0) {
      found_in_[place->blob].push_back({id, place->offset, place->size});
    }
  }
  tell_what_is_lost();
}

void LmdbSalvage::report(PageNumber page, const std::string& what) {
  damage_.push_back({fmt::format("lmdb/data.mdb at byte {}", page * file_.page_size()), what});
}

std::optional<std::string> LmdbSalvage::value_of(const PageNode& node) const {
  if (node.kind == PageNode::Value::here) return std::string(node.value);
  auto read = file_.value(node.page, node.size);
  return read ? std::optional(std::move(*read)) : std::nullopt;
}

Result<std::string> LmdbSalvage::value_of(const Blob& blob) const {
  if (blob.page == no_page) return blob.here;
  return file_.value(blob.page, blob.size);
}

const std::vector<BlobPart>& LmdbSalvage::found_in(BlobNumber blob) const {
  static const std::vector<BlobPart> none;
  const auto at = found_in_.find(blob);
  return at == found_in_.end() ? none : at->second;
}

// What a tree leads to is taken as it is: recovery finds what its checksum says.
void LmdbSalvage::take_leaf(LmdbTree tree, const NodePage& page) {
  if (tree <= LmdbTree::main) return;
  for (const PageNode& node : page.nodes) {
    const bool in_own_page = node.kind == PageNode::Value::in_overflow;
    if (tree == LmdbTree::contents) {
      const BlobNumber blob = ByteReader(node.key).get<BlobNumber>();
      contents_[blob] = {in_own_page ? node.page : no_page, node.size,
                         in_own_page ? std::string() : std::string(node.value)};
      certain_.insert(blob);
      continue;
    }
    auto value = value_of(node);
    if (!value) continue;
    if (tree == LmdbTree::envelopes) {
      envelopes_[mail::QueueId(ByteReader(node.key).get<std::uint64_t>())] = std::move(*value);
    } else if (tree == LmdbTree::settlements) {
      settlements_[std::string(node.key)] = std::move(*value);
    } else {
      take(node);
    }
  }
}

// A record of any kind, by its own checksum.
void LmdbSalvage::take(const PageNode& node) {
  const bool is_number = node.key.size() == sizeof(std::uint64_t);
  if ((!is_number && node.key.size() != settlement_key_size) ||
      node.kind == PageNode::Value::tree) {
    return;
  }
  auto value = value_of(node);
  if (!value) return;
  const MDB_val key = val(node.key);
  if (!is_number) {
    if (checked_value(ValueKind::settlement, key, val(*value)))
      settlements_.try_emplace(std::string(node.key), std::move(*value));
    return;
  }
  const auto number = ByteReader(node.key).get<std::uint64_t>();
  if (checked_value(ValueKind::envelope, key, val(*value))) {
    strangers_.emplace(mail::QueueId(number), std::move(*value));
  } else if (const auto life = checked_value(ValueKind::life, key, val(*value))) {
    if (const auto decoded = decode_life(*life)) lives_.try_emplace(number, *decoded);
  } else if (value->size() > list_header_size) {
    // Its list may be damaged: whether it is a blob shows when a content in it is whole.
    const bool in_own_page = node.kind == PageNode::Value::in_overflow;
    stranger_blobs_.emplace(number, Blob{in_own_page ? node.page : no_page, node.size,
                                         in_own_page ? std::string() : std::move(*value)});
  }
}

// Any even offset may be the beginning of a node.
void LmdbSalvage::scan_damaged(PageNumber number) {
  const auto page = file_.page(number);
  if (!page) return;
  for (std::size_t at = page_header_size; at < page->size(); at += 2) {
    const auto node = decode_leaf_node(*page, at);
    if (node) take(*node);
  }
}

// Pages to which nothing leads. With the list of free pages they are those of the lost part,
// without it any that were ever used: messages that are gone may come back.
void LmdbSalvage::scan_strangers(const LmdbWalk* walk) {
  const bool free_is_known = walk != nullptr && walk->free_is_whole() && meta_is_certain_;
  if (!free_is_known) {
    damage_.push_back({"lmdb/data.mdb",
                       "which pages are free is not known: messages that are gone "
                       "may be relayed again"});
  }
  for (PageNumber page = 2; page < file_.pages();) {
    const bool known =
        walk != nullptr && (walk->is_used(page) || (free_is_known && walk->is_free(page)));
    page = known ? page + 1 : stranger(page, free_is_known);
  }
}

// The next page to look at. What lies in the pages of a value was sent by somebody, and is no page
// of a tree; but of a value that was freed some of the pages may be one by now.
PageNumber LmdbSalvage::stranger(PageNumber number, bool free_is_known) {
  const auto page = file_.page(number);
  if (!page) return number + 1;
  ByteReader in(*page);
  const bool own = in.get<PageNumber>() == number;
  (void)in.get<std::uint16_t>();
  const auto flags = in.get<std::uint16_t>();
  const auto count = in.get<std::uint32_t>();
  if (free_is_known && own && flags == static_cast<std::uint16_t>(PageKind::overflow)) {
    return number + std::clamp<PageNumber>(count, 1, file_.pages() - number);
  }
  if (!is_leaf(*page, number)) return number + 1;
  std::string fault;
  const auto whole = decode_node_page(*page, number, fault);
  // Between the nodes lies what is left of others.
  if (!whole) scan_damaged(number);
  if (whole) std::ranges::for_each(whole->nodes, [this](const PageNode& node) { take(node); });
  return number + 1;
}

LmdbSalvage::Wanted LmdbSalvage::wanted_blobs() const {
  Wanted wanted;
  const auto want = [&](mail::QueueId id, const std::string& value) {
    const auto place = place_of(id, value);
    if (place && place->blob != 0 && !contents_.contains(place->blob)) {
      wanted.emplace(id, place->blob);
    }
  };
  for (const auto& [id, value] : envelopes_) want(id, value);
  for (const auto& [id, value] : strangers_) want(id, value);
  return wanted;
}

// Blobs that envelopes speak of and to which nothing leads: their lists say which they are.
void LmdbSalvage::find_lost_blobs() {
  const Wanted wanted = wanted_blobs();
  if (wanted.empty()) return;
  for (PageNumber number = 2; number < file_.pages(); ++number) {
    const auto page = file_.page(number);
    if (page && ByteReader(*page).get<PageNumber>() == number) take_wanted(wanted, number, *page);
  }
}

void LmdbSalvage::take_wanted(const Wanted& wanted, PageNumber number, std::string_view page) {
  ByteReader in(page.substr(page_header_size + sizeof(std::uint32_t)));
  const auto count = in.get<std::uint32_t>();
  std::uint64_t size = 0;
  std::set<BlobNumber> blobs;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const mail::QueueId id(in.get<std::uint64_t>());
    const auto offset = in.get<std::uint32_t>();
    size = std::max<std::uint64_t>(size, std::uint64_t{offset} + in.get<std::uint32_t>());
    const auto [first, last] = wanted.equal_range(id);
    for (auto at = first; at != last; ++at) blobs.insert(at->second);
  }
  if (blobs.empty() || size > UINT32_MAX) return;
  const auto value = file_.value(number, size);
  if (!value) return;
  for (const BlobNumber blob : blobs) {
    if (!parts_of(blob, val(*value))) continue;
    stranger_blobs_.emplace(blob, Blob{number, static_cast<std::uint32_t>(size), {}});
  }
}

// Of several of one number that in which most contents are whole.
void LmdbSalvage::choose_blobs() {
  std::multimap<BlobNumber, std::pair<mail::QueueId, ContentPlace>> claims;
  const auto claim = [&](mail::QueueId id, const std::string& envelope) {
    if (const auto place = place_of(id, envelope))
      claims.emplace(place->blob, std::pair(id, *place));
  };
  for (const auto& [id, value] : envelopes_) claim(id, value);
  for (const auto& [id, value] : strangers_) claim(id, value);
  std::map<BlobNumber, std::ptrdiff_t> best;
  for (auto& [blob, stranger] : stranger_blobs_) {
    const auto value = certain_.contains(blob) ? std::string() : value_of(stranger).value_or("");
    if (value.empty()) continue;
    const auto [first, last] = claims.equal_range(blob);
    const auto whole = std::count_if(first, last, [&](const auto& one) {
      return is_content(value, one.second.first, one.second.second);
    });
    if (whole == 0 && !parts_of(blob, val(value))) continue;
    if (const auto known = best.find(blob); known != best.end() && known->second >= whole) continue;
    best[blob] = whole;
    contents_[blob] = stranger;
  }
}

bool LmdbSalvage::has_content(mail::QueueId id, const ContentPlace& place) const {
  if (place.blob == 0) return true;
  const auto blob = contents_.find(place.blob);
  if (blob == contents_.end()) return false;
  const auto value = value_of(blob->second);
  return value && is_content(*value, id, place);
}

void LmdbSalvage::find_lost_contents() {
  // Bytes: in a large environment with much damage there is an end to it.
  std::uint64_t budget = std::uint64_t{8} << 30;
  BlobNumber next = contents_.empty() ? 1 : contents_.rbegin()->first + 1;
  for (const auto& [id, value] : strangers_) next = std::max(next, claimed_blob(id, value) + 1);
  for (const auto& [id, value] : envelopes_) next = std::max(next, claimed_blob(id, value) + 1);
  const auto look = [&](mail::QueueId id, std::string& envelope) {
    const auto place = place_of(id, envelope);
    if (!place || certain_.contains(place->blob) || has_content(id, *place)) return;
    const auto content = find_content(id, *place, budget);
    if (content) give_own_blob(id, envelope, *content, next++);
  };
  for (auto& [id, value] : envelopes_) look(id, value);
  for (auto& [id, value] : strangers_) look(id, value);
}

// As it lies in a blob with pages of its own, or among the records of a leaf.
std::optional<std::string> LmdbSalvage::find_content(mail::QueueId id, const ContentPlace& place,
                                                     std::uint64_t& budget) const {
  const std::uint64_t size = std::uint64_t{place.offset} + place.size;
  const bool in_leaf = size < file_.page_size() / 2;
  if (place.offset == 0 || size > BlobLayout::size_max * 4) return std::nullopt;
  for (PageNumber number = 2; number < file_.pages() && budget > size; ++number) {
    const auto page = file_.page(number);
    if (!page || (in_leaf && !is_leaf(*page, number))) continue;
    const std::size_t last = in_leaf ? page->size() - size : page_header_size;
    for (std::size_t at = page_header_size; at <= last; at += 2) {
      if (!may_be_blob(*page, number, at, id, place.blob)) continue;
      budget -= std::min(budget, size);
      const auto value = in_leaf ? page->substr(at, size) : file_.value(number, size).value_or("");
      if (is_content(value, id, place)) return value.substr(place.offset, place.size);
    }
  }
  return std::nullopt;
}

void LmdbSalvage::give_own_blob(mail::QueueId id, std::string& envelope, std::string_view content,
                                BlobNumber blob) {
  BlobLayout layout;
  layout.add(id, content);
  std::string value(layout.value_size(), '\0');
  const ContentPlace place = layout.fill(blob, value.data()).front();
  const auto size = static_cast<std::uint32_t>(value.size());
  contents_[blob] = {no_page, size, std::move(value)};
  IntegerKey key(id);
  const auto stored = stored_envelope(*key.value(), val(envelope));
  const std::string moved = encode_place(place).append(stored->envelope);
  envelope.assign(value_header + moved.size(), '\0');
  fill_value(envelope.data(), ValueKind::envelope, *key.value(), moved);
}

// Of a message that is gone the content is most likely gone as well.
void LmdbSalvage::choose_strangers() {
  for (auto at = strangers_.begin(); at != strangers_.end();) {
    const mail::QueueId id = at->first;
    const auto end = strangers_.upper_bound(id);
    const auto whole = std::find_if(at, end, [&](const auto& stranger) {
      const auto place = place_of(id, stranger.second);
      return place && has_content(id, *place);
    });
    if (whole != end) {
      envelopes_.try_emplace(id, whole->second);
    } else if (!envelopes_.contains(id)) {
      damage_.push_back({id.text(),
                         "found in a page to which nothing leads, without its content: "
                         "left out"});
    }
    at = end;
  }
}

void LmdbSalvage::tell_what_is_lost() {
  std::set<mail::QueueId> told;
  for (const auto& [key, value] : settlements_) {
    const auto id = id_of_settlement(val(key));
    if (id && !envelopes_.contains(*id) && told.insert(*id).second) {
      damage_.push_back({id->text(), "its envelope is lost"});
    }
  }
  for (const BlobNumber blob : certain_) {
    const auto value = value_of(contents_.at(blob));
    const auto parts = value ? parts_of(blob, val(*value)) : std::nullopt;
    if (!parts) continue;
    const auto life = lives_.find(blob);
    const std::size_t living = life == lives_.end() ? parts->size() : life->second.count;
    const std::size_t found = found_in(blob).size();
    if (found >= living) continue;
    std::string names;
    for (const BlobPart& part : *parts) {
      if (!envelopes_.contains(part.id)) names += " " + part.id.text();
    }
    if (names.empty()) continue;
    damage_.push_back(
        {"lmdb/data.mdb",
         fmt::format("of{} {} lost", names,
                     living - found == 1 ? "one is" : fmt::format("{} are", living - found))});
  }
}

}  // namespace brevdue::backends

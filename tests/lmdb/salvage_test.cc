// A damaged environment is built anew from what can be read of it: what that costs, what it does
// not, and that the store goes on with the result.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "backends/lmdb/lmdb_examination.h"
#include "backends/lmdb/lmdb_key.h"
#include "backends/lmdb/lmdb_salvage.h"
#include "tests/lmdb/store_on_disk.h"

namespace brevdue::tests {

using backends::LmdbFile;
using backends::LmdbTree;
using backends::LmdbWalk;
using backends::NodePage;
using backends::PageKind;
using backends::PageNumber;
using queue::Discard;

namespace {
constexpr std::uint64_t page_size = 4096;

// Some hundred messages, deferred, of which every third is gone again: trees of two levels.
class LmdbSalvaging : public testing::Test {
 protected:
  void SetUp() override {
    backends::LmdbStore store(disk_.options());
    ASSERT_TRUE(store.start());
    CollectingSink sink;
    ASSERT_TRUE(store.recover(sink));
    for (std::uint64_t first = 1; first <= 300; first += 10) {
      queue::Batch batch;
      std::vector<Sample> samples;
      for (std::uint64_t i = first; i < first + 10; ++i) {
        samples.push_back(make_sample(i, i % 7 == 0 ? 9000 : 400, 3));
        batch.emplace_back(samples.back().enqueue());
      }
      const auto results = commit(store, std::move(batch));
      queue::Batch later;
      for (std::size_t i = 0; i < samples.size(); ++i) {
        ASSERT_TRUE(results[i]);
        const mail::QueueId id = samples[i].id;
        later.emplace_back(queue::Settle{
            id, *results[i], deferral(1, 1, mail::RecipientStatus::deferred, "451 later")});
        if (i % 3 == 0) later.emplace_back(Discard{id, *results[i]});
        if (i % 3 != 0) living_.emplace(id, samples[i]);
      }
      for (const auto& result : commit(store, std::move(later))) ASSERT_TRUE(result);
    }
  }

  // Pages of one kind in our databases.
  std::vector<PageNumber> pages_of(LmdbTree wanted, PageKind kind) const {
    const auto file = LmdbFile::open(disk_.data_file());
    const auto meta = backends::newest_meta(*file);
    EXPECT_TRUE(meta);
    const std::atomic<bool> never{false};
    LmdbWalk walk(*file, LmdbWalk::Reach::values, never);
    std::set<std::string> first_keys;
    walk.run(*meta, [&](LmdbTree tree, const NodePage& page) {
      if (tree == wanted) first_keys.insert(std::string(page.nodes[0].key));
    });
    EXPECT_TRUE(walk.faults().empty());
    std::vector<PageNumber> found;
    for (PageNumber number = 2; number < file->pages(); ++number) {
      if (!walk.is_used(number)) continue;
      const auto bytes = *file->page(number);
      std::string fault;
      const auto page = backends::decode_node_page(bytes, number, fault);
      if (!page || page->kind != kind) continue;
      // A branch is told by the leaf behind its second key.
      const std::size_t at = kind == PageKind::branch ? 1 : 0;
      if (first_keys.contains(std::string(page->nodes[at].key))) found.push_back(number);
    }
    return found;
  }

  void write(std::uint64_t offset, const std::string& bytes) const {
    std::fstream file(disk_.data_file(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset))
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  void flip(std::uint64_t offset) const {
    std::fstream file(disk_.data_file(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    const char byte = static_cast<char>(file.get() ^ 0x20);
    file.seekp(static_cast<std::streamoff>(offset)).put(byte);
  }

  // Starts, and expects that no more than `lost_max` of the living are missing, that what is there
  // is right, and that the next start finds nothing to complain of. How many were found.
  std::size_t expect_rebuilt(std::size_t lost_max) {
    std::size_t found = 0;
    {
      backends::LmdbStore store(disk_.options());
      const auto started = store.start();
      EXPECT_TRUE(started) << describe(started.error());
      CollectingSink sink;
      EXPECT_TRUE(store.recover(sink));
      EXPECT_FALSE(sink.damaged.empty());
      EXPECT_TRUE(std::filesystem::exists(disk_.quarantine() + "/data.mdb.1"));
      found = expect_right(store, sink, lost_max);
      const Sample fresh = make_sample(++fresh_, 700);
      EXPECT_TRUE(commit(store, {fresh.enqueue()})[0]);
      living_.emplace(fresh.id, fresh);
      EXPECT_TRUE(commit(store, {Discard{living_.begin()->first,
                                         backends::location_of(living_.begin()->first)}})[0]);
    }
    living_.erase(living_.begin());
    backends::LmdbStore store(disk_.options());
    EXPECT_TRUE(store.start());
    CollectingSink sink;
    EXPECT_TRUE(store.recover(sink));
    EXPECT_TRUE(sink.damaged.empty());
    expect_right(store, sink, lost_max);
    return found;
  }

  std::size_t expect_right(backends::LmdbStore& store, const CollectingSink& sink,
                           std::size_t lost_max) {
    std::size_t missing = 0;
    for (const auto& [id, sample] : living_) {
      const auto at = sink.messages.find(id);
      missing += at == sink.messages.end() ? 1 : 0;
      if (at == sink.messages.end()) continue;
      EXPECT_TRUE(at->second.envelope.view() == sample.envelope.view());
      const auto content = store.open(id, at->second.location);
      if (contents_are_whole_) EXPECT_TRUE(content) << describe(content.error());
      if (content) EXPECT_TRUE(content->view() == sample.content.view());
    }
    EXPECT_LE(missing, lost_max);
    return sink.messages.size();
  }

  StoreOnDisk disk_;
  std::map<mail::QueueId, Sample> living_;
  std::uint64_t fresh_ = 5000;
  bool contents_are_whole_ = true;
};
}  // namespace

TEST_F(LmdbSalvaging, ABranchCostsNothingAndBringsNothingBack) {
  std::vector<PageNumber> branches;
  for (const LmdbTree tree : {LmdbTree::envelopes, LmdbTree::contents, LmdbTree::settlements}) {
    std::ranges::copy(pages_of(tree, PageKind::branch), std::back_inserter(branches));
  }
  ASSERT_GE(branches.size(), 2u);
  for (const PageNumber branch : branches) {
    write(branch * page_size, std::string(page_size, '\0'));
  }
  const std::size_t living = living_.size();
  EXPECT_EQ(expect_rebuilt(0), living);
}

TEST_F(LmdbSalvaging, TheHeaderOfALeafCostsNothing) {
  std::vector<PageNumber> victims;
  for (const LmdbTree tree : {LmdbTree::envelopes, LmdbTree::contents, LmdbTree::settlements}) {
    const auto leaves = pages_of(tree, PageKind::leaf);
    ASSERT_FALSE(leaves.empty());
    victims.push_back(leaves[leaves.size() / 2]);
  }
  for (const PageNumber victim : victims) flip(victim * page_size + 12);
  expect_rebuilt(0);
}

TEST_F(LmdbSalvaging, ALeafCostsWhatItHeld) {
  const auto leaves = pages_of(LmdbTree::envelopes, PageKind::leaf);
  write(leaves[1] * page_size, std::string(page_size, '\0'));
  expect_rebuilt(page_size / 200);
}

TEST_F(LmdbSalvaging, ALeafOfContentsCostsNoContentWithPagesOfItsOwn) {
  const auto leaves = pages_of(LmdbTree::contents, PageKind::leaf);
  write(leaves[0] * page_size + 16, std::string(64, '\0'));
  expect_rebuilt(0);
}

TEST_F(LmdbSalvaging, BothMetaPagesCostNothing) {
  write(0, std::string(2 * page_size, '\0'));
  expect_rebuilt(0);
}

TEST_F(LmdbSalvaging, AMetaPageThatFellBehindIsNoticed) {
  // As if the last transaction had never been: liblmdb would take the one before for the newest.
  const auto file = LmdbFile::open(disk_.data_file());
  const auto meta = backends::newest_meta(*file);
  ASSERT_TRUE(meta);
  const std::uint64_t at = meta->transaction % 2 * page_size + 16 + 24 + 2 * 48 + 8;
  write(at, std::string(8, '\0'));
  EXPECT_FALSE(backends::newest_meta(*LmdbFile::open(disk_.data_file())));
  expect_rebuilt(0);
}

TEST_F(LmdbSalvaging, AFileCutInHalfKeepsTheRest) {
  const auto file = LmdbFile::open(disk_.data_file());
  const auto meta = backends::newest_meta(*file);
  contents_are_whole_ = false;
  std::filesystem::resize_file(disk_.data_file(), meta->last_page / 2 * page_size + 100);
  EXPECT_GT(expect_rebuilt(living_.size()), 10u);
}

TEST_F(LmdbSalvaging, OfAnotherOneMoreIsKept) {
  write(0, std::string(2 * page_size, '\0'));
  expect_rebuilt(0);
  write(0, std::string(2 * page_size, '\0'));
  expect_rebuilt(0);
  EXPECT_TRUE(std::filesystem::exists(disk_.quarantine() + "/data.mdb.2"));
}

// The leaves of a large environment are looked at while mail is taken already.
TEST_F(LmdbSalvaging, InALargeOneRecoveryFindsDamagedLeavesAndTheNextStartMendsThem) {
  const auto leaves = pages_of(LmdbTree::envelopes, PageKind::leaf);
  flip(leaves[1] * page_size + 12);
  auto options = disk_.options();
  options.pages_examined_at_start = 0;
  const Sample fresh = make_sample(6000, 700);
  {
    backends::LmdbStore store(options);
    ASSERT_TRUE(store.start());
    ASSERT_TRUE(commit(store, {fresh.enqueue()})[0]);
    CollectingSink sink;
    const auto done = store.recover(sink);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::corrupt);
    EXPECT_TRUE(sink.messages.empty());
  }
  living_.emplace(fresh.id, fresh);
  backends::LmdbStore store(options);
  ASSERT_TRUE(store.start());
  CollectingSink sink;
  ASSERT_TRUE(store.recover(sink));
  EXPECT_FALSE(sink.damaged.empty());
  expect_right(store, sink, 0);
}

// A value with pages of its own says itself how many they are: damaged, those of others were freed.
TEST_F(LmdbSalvaging, AValueIsNotRemovedWithAnotherNumberOfPages) {
  backends::LmdbStore store(disk_.options());
  ASSERT_TRUE(store.start());
  CollectingSink sink;
  ASSERT_TRUE(store.recover(sink));
  const auto file = LmdbFile::open(disk_.data_file());
  std::size_t flipped = 0;
  for (PageNumber number = 2; number < file->pages(); ++number) {
    const auto page = backends::decode_overflow_page(*file->page(number));
    if (!page || page->number != number) continue;
    flip(number * page_size + 12);
    ++flipped;
  }
  ASSERT_GT(flipped, 0u);
  queue::Batch all;
  for (const auto& [id, message] : sink.messages) all.emplace_back(Discard{id, message.location});
  const auto results = commit(store, std::move(all));
  EXPECT_FALSE(results[0]);
  EXPECT_EQ(commit(store, {make_sample(7000, 10).enqueue()})[0].error().code,
            ErrorCode::unavailable);
}

TEST_F(LmdbSalvaging, ReadOnlyChangesNothing) {
  write(0, std::string(2 * page_size, '\0'));
  const auto names = [&] {
    std::set<std::string> found;
    const auto spool = std::filesystem::path(disk_.data_file()).parent_path().parent_path();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(spool)) {
      found.insert(entry.path());
    }
    return found;
  };
  const auto before = names();
  auto options = disk_.options();
  options.read_only = true;
  {
    backends::LmdbStore store(options);
    ASSERT_TRUE(store.start());
    CollectingSink sink;
    ASSERT_TRUE(store.recover(sink));
    EXPECT_FALSE(sink.damaged.empty());
    expect_right(store, sink, 0);
  }
  EXPECT_EQ(names(), before);
}

}  // namespace brevdue::tests

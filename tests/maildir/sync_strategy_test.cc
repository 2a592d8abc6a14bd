// Which syncs are made, by file system, setting and batch, and what an operator is told who asks
// for what a file system cannot do.
#include "backends/maildir/sync_strategy.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "tests/maildir/spool.h"
#include "tests/support/faulty_file_system.h"

namespace brevdue::backends {

using tests::Call;
using tests::FaultyFileSystem;
using tests::Lasting;

namespace {
constexpr std::array journaled = {FileSystemKind::ext4, FileSystemKind::xfs, FileSystemKind::btrfs};

// A store on a file system that is taken for one of `kind`.
class StoreOn {
 public:
  explicit StoreOn(FileSystemKind kind, MaildirSync sync = MaildirSync::automatic) {
    files_.pretend_kind(kind);
    options_ = spool_.options();
    options_.sync = sync;
    options_.notice = [this](std::string text) { notices_.push_back(std::move(text)); };
    store_ = std::make_unique<MaildirStore>(options_, files_);
  }

  FaultyFileSystem& files() { return files_; }
  Result<void> start() { return store_->start(); }
  const std::vector<std::string>& notices() const { return notices_; }
  const TestSpool& spool() const { return spool_; }
  MaildirStore& store() { return *store_; }

  // Starts the store if that was not done.
  void enqueue(std::size_t count) {
    if (next_ == 0) ASSERT_TRUE(start());
    queue::Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
      const TestMessage message = test_message(++next_, 10);
      batch.push_back(queue::Enqueue{message.id, message.envelope, message.content});
    }
    files_.forget_calls();
    for (const auto& result : commit(*store_, std::move(batch))) ASSERT_TRUE(result);
  }
  // By the last batch: of files, of the directory, of all.
  std::array<std::size_t, 3> syncs() const {
    const auto calls = files_.calls();
    const auto of = [&](const std::string& call) {
      return static_cast<std::size_t>(std::ranges::count(calls, call));
    };
    const std::size_t directory = of("sync " + spool_.path());
    return {files_.count(Call::sync) - directory, directory, files_.count(Call::sync_file_system)};
  }

 private:
  RealFileSystem real_;
  FaultyFileSystem files_{real_};
  TestSpool spool_;
  MaildirStoreOptions options_;
  std::vector<std::string> notices_;
  std::unique_ptr<MaildirStore> store_;
  std::uint64_t next_ = 0;
};

using Syncs = std::array<std::size_t, 3>;

std::size_t syncfs_from(FileSystemKind kind) {
  const auto strategy = choose_sync(MaildirSync::automatic, kind, true);
  EXPECT_TRUE(strategy);
  return strategy ? strategy->syncfs_from : 0;
}
}  // namespace

TEST(MaildirSyncs, ALoneMessageIsSyncedOnceWhereItsNameIsSyncedWithIt) {
  for (const FileSystemKind kind : journaled) {
    StoreOn on(kind);
    on.enqueue(1);
    EXPECT_EQ(on.syncs(), (Syncs{1, 0, 0})) << name_of(kind);
  }
}

TEST(MaildirSyncs, ALoneMessageIsSyncedWithItsDirectoryElsewhere) {
  for (const FileSystemKind kind :
       {FileSystemKind::other, FileSystemKind::memory, FileSystemKind::fuse, FileSystemKind::nfs,
        FileSystemKind::smb, FileSystemKind::other_network}) {
    StoreOn on(kind);
    on.enqueue(1);
    EXPECT_EQ(on.syncs(), (Syncs{1, 1, 0})) << name_of(kind);
  }
}

TEST(MaildirSyncs, ABatchIsSyncedFileByFileBelowTheBoundAndAsAWholeFromItOn) {
  for (const FileSystemKind kind :
       {FileSystemKind::ext4, FileSystemKind::xfs, FileSystemKind::btrfs, FileSystemKind::other}) {
    const std::size_t bound = syncfs_from(kind);
    ASSERT_GE(bound, 2u) << name_of(kind);
    ASSERT_LE(bound, 64u) << name_of(kind);
    StoreOn on(kind);
    on.enqueue(bound - 1);
    EXPECT_EQ(on.syncs()[0], bound - 1) << name_of(kind);
    EXPECT_EQ(on.syncs()[2], 0u) << name_of(kind);
    on.enqueue(bound);
    EXPECT_EQ(on.syncs(), (Syncs{0, 0, 1})) << name_of(kind);
    on.enqueue(200);
    EXPECT_EQ(on.syncs(), (Syncs{0, 0, 1})) << name_of(kind);
  }
}

TEST(MaildirSyncs, NoBatchIsSyncedAsAWholeWhereThatPromisesNothing) {
  for (const FileSystemKind kind : {FileSystemKind::fuse, FileSystemKind::nfs, FileSystemKind::smb,
                                    FileSystemKind::other_network}) {
    StoreOn on(kind);
    ASSERT_TRUE(on.start());
    EXPECT_EQ(on.files().count(Call::sync_file_system), 0u) << name_of(kind);
  }
  StoreOn on(FileSystemKind::fuse);
  on.enqueue(200);
  EXPECT_EQ(on.syncs(), (Syncs{200, 1, 0}));
}

TEST(MaildirSyncs, TheSettingOverridesWhatIsChosen) {
  StoreOn by_file(FileSystemKind::ext4, MaildirSync::fsync);
  by_file.enqueue(100);
  EXPECT_EQ(by_file.syncs(), (Syncs{100, 0, 0}));
  StoreOn elsewhere(FileSystemKind::other, MaildirSync::fsync);
  elsewhere.enqueue(100);
  EXPECT_EQ(elsewhere.syncs(), (Syncs{100, 1, 0}));
  StoreOn whole(FileSystemKind::ext4, MaildirSync::syncfs);
  whole.enqueue(1);
  EXPECT_EQ(whole.syncs(), (Syncs{0, 0, 1}));
}

// What was measured; see docs/decisions/maildir-sync-by-file-system.md before changing it.
TEST(MaildirSyncs, TheBoundIsThatOfTheFileSystem) {
  EXPECT_EQ(syncfs_from(FileSystemKind::ext4), 3u);
  EXPECT_EQ(syncfs_from(FileSystemKind::btrfs), 3u);
  EXPECT_EQ(syncfs_from(FileSystemKind::xfs), 2u);
  EXPECT_EQ(syncfs_from(FileSystemKind::other), 2u);
  EXPECT_EQ(syncfs_from(FileSystemKind::fuse), SyncStrategy::never);
}

// The unlink of a discarded message is in no file that could be synced.
TEST(MaildirSyncs, ADiscardSyncsTheDirectoryEverywhere) {
  for (const FileSystemKind kind :
       {FileSystemKind::ext4, FileSystemKind::xfs, FileSystemKind::btrfs, FileSystemKind::other}) {
    StoreOn on(kind);
    ASSERT_TRUE(on.start());
    const TestMessage message = test_message(1, 10);
    const auto added =
        commit(on.store(), {queue::Enqueue{message.id, message.envelope, message.content}});
    ASSERT_TRUE(added[0]);
    on.files().forget_calls();
    ASSERT_TRUE(commit(on.store(), {queue::Discard{message.id, *added[0]}})[0]);
    EXPECT_EQ(on.syncs(), (Syncs{0, 1, 0})) << name_of(kind);
  }
}

TEST(MaildirSyncs, AskingForSyncfsWhereItPromisesNothingNamesSettingFileSystemAndRemedy) {
  for (const auto& [kind, name] : {std::pair{FileSystemKind::fuse, "FUSE"},
                                   {FileSystemKind::nfs, "NFS"},
                                   {FileSystemKind::smb, "SMB"}}) {
    StoreOn on(kind, MaildirSync::syncfs);
    const auto refused = on.start();
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
    for (const std::string part :
         {"queue.maildir.sync = \"syncfs\"", name, "\"auto\" or \"fsync\""}) {
      EXPECT_NE(refused.error().context.find(part), std::string::npos) << refused.error().context;
    }
  }
}

TEST(MaildirSyncs, SyncfsThatIsRefusedEndsTheStartOnlyIfItWasAskedFor) {
  for (const int os_error : {ENOSYS, EINVAL, EOPNOTSUPP, EPERM}) {
    StoreOn asked(FileSystemKind::other, MaildirSync::syncfs);
    asked.files().fail(Call::sync_file_system, 1, os_error, Lasting::always);
    const auto refused = asked.start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
    EXPECT_NE(refused.error().context.find("syncfs is refused"), std::string::npos);
    StoreOn automatic(FileSystemKind::other);
    automatic.files().fail(Call::sync_file_system, 1, os_error, Lasting::always);
    automatic.enqueue(70);
    EXPECT_EQ(automatic.syncs(), (Syncs{70, 1, 0}));
    ASSERT_EQ(automatic.notices().size(), 1u);
    EXPECT_NE(automatic.notices()[0].find("each file is synced by itself"), std::string::npos);
  }
}

TEST(MaildirSyncs, SyncfsThatFailsAtStartIsAFailureAndNoRefusal) {
  StoreOn on(FileSystemKind::ext4);
  on.files().fail(Call::sync_file_system, 1, EIO);
  const auto failed = on.start();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::io_failure);
}

TEST(MaildirSyncs, ADirectoryThatCannotBeSyncedEndsTheStart) {
  StoreOn on(FileSystemKind::smb);
  on.files().fail(Call::sync, 1, EINVAL);
  const auto refused = on.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  for (const std::string part : {"queue.backend = \"maildir\"", "SMB", "move the spool"}) {
    EXPECT_NE(refused.error().context.find(part), std::string::npos) << refused.error().context;
  }
}

TEST(MaildirSyncs, ANetworkFileSystemIsNoted) {
  StoreOn on(FileSystemKind::nfs);
  ASSERT_TRUE(on.start());
  ASSERT_EQ(on.notices().size(), 1u);
  EXPECT_NE(on.notices()[0].find("NFS"), std::string::npos);
  StoreOn local(FileSystemKind::ext4);
  ASSERT_TRUE(local.start());
  EXPECT_TRUE(local.notices().empty());
}

// A killed process may have left files that nobody synced; recovery must not report what a cut
// could still take away.
TEST(MaildirSyncs, WhatIsFoundIsSyncedBeforeItIsReported) {
  for (const FileSystemKind kind : {FileSystemKind::ext4, FileSystemKind::fuse}) {
    StoreOn on(kind);
    {
      MaildirStore before(on.spool().options());
      ASSERT_TRUE(before.start());
      const TestMessage message = test_message(1, 10);
      ASSERT_TRUE(
          commit(before, {queue::Enqueue{message.id, message.envelope, message.content}})[0]);
    }
    ASSERT_TRUE(on.start());
    Found found;
    ASSERT_TRUE(on.store().recover(found));
    ASSERT_EQ(found.messages.size(), 1u);
    const auto calls = on.files().calls();
    const auto made = [&](const std::string& call) { return std::ranges::count(calls, call); };
    const bool whole = kind == FileSystemKind::ext4;
    EXPECT_EQ(on.syncs()[2], whole ? 1u : 0u);
    EXPECT_EQ(made("sync " + found.messages.begin()->first.text()), whole ? 0 : 1);
    EXPECT_EQ(made("sync .."), whole ? 0 : 1);
    EXPECT_GE(on.syncs()[1], 1u);
  }
}

}  // namespace brevdue::backends

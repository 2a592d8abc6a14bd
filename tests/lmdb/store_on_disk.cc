#include "tests/lmdb/store_on_disk.h"

#include "core/file_system.h"

namespace brevdue::tests {

StoreOnDisk::StoreOnDisk(const std::string& parent) : directory_(parent) {
  RealFileSystem files;
  const auto made = files.make_directory(AT_FDCWD, quarantine(), 0700);
  EXPECT_TRUE(made);
}

backends::LmdbStoreOptions StoreOnDisk::options() const {
  backends::LmdbStoreOptions options;
  options.path = directory_.path_of("lmdb");
  options.quarantine = quarantine();
  options.map_size = 64u << 20;
  options.growth_step = 64u << 10;
  return options;
}

void expect_recovered(const backends::LmdbStoreOptions& options, const Acknowledged& acknowledged) {
  backends::LmdbStore store(options);
  const auto started = store.start();
  ASSERT_TRUE(started) << describe(started.error());
  CollectingSink sink;
  const auto recovered = store.recover(sink);
  ASSERT_TRUE(recovered) << describe(recovered.error());
  EXPECT_TRUE(sink.damaged.empty());
  for (const auto& [id, sample] : acknowledged) {
    ASSERT_TRUE(sink.messages.contains(id)) << id.text() << " was acknowledged and is gone";
    const auto content = store.open(id, sink.messages.at(id).location);
    ASSERT_TRUE(content) << describe(content.error());
    EXPECT_TRUE(content->view() == sample.content.view()) << id.text();
  }
}

}  // namespace brevdue::tests

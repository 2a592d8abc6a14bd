// A message file that cannot be read costs that message, at the moment, and no other.
#include <cerrno>

#include "tests/maildir/spool.h"
#include "tests/support/faulty_file_system.h"

namespace brevdue::backends {

using tests::Call;
using tests::FaultyFileSystem;

namespace {
constexpr std::uint64_t messages = 5;

void fill(const TestSpool& spool) {
  MaildirStore store(spool.options());
  ASSERT_TRUE(store.start());
  for (std::uint64_t number = 1; number <= messages; ++number) {
    const TestMessage message = test_message(number, 300);
    ASSERT_TRUE(commit(store, {queue::Enqueue{message.id, message.envelope, message.content}})[0]);
  }
}
}  // namespace

TEST(MaildirUnreadable, TheOthersAreFoundAndItStays) {
  RealFileSystem real;
  for (const Call call : {Call::open, Call::read, Call::status}) {
    for (const int os_error : {EIO, EACCES}) {
      TestSpool spool;
      fill(spool);
      FaultyFileSystem files(real);
      {
        MaildirStore store(spool.options(), files);
        ASSERT_TRUE(store.start());
        files.fail(call, 3, os_error);
        Found found;
        ASSERT_TRUE(store.recover(found)) << tests::name_of(call) << " errno " << os_error;
        EXPECT_EQ(found.messages.size(), messages - 1);
        ASSERT_EQ(found.damaged.size(), 1u);
        EXPECT_NE(found.damaged[0].why.find("left where it is"), std::string::npos);
      }
      MaildirStore store(spool.options());
      ASSERT_TRUE(store.start());
      Found found;
      ASSERT_TRUE(store.recover(found));
      EXPECT_EQ(found.messages.size(), messages);
    }
  }
}

TEST(MaildirUnreadable, WithoutDescriptorsTheScanIsNotFinished) {
  RealFileSystem real;
  TestSpool spool;
  fill(spool);
  FaultyFileSystem files(real);
  MaildirStore store(spool.options(), files);
  ASSERT_TRUE(store.start());
  files.fail(Call::open, 3, EMFILE);
  Found found;
  const auto recovered = store.recover(found);
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code, ErrorCode::overloaded);
}

}  // namespace brevdue::backends

#include "core/error.h"

#include <cerrno>
#include <set>

#include <gtest/gtest.h>

namespace brevdue {
namespace {

TEST(Error, IsDescribedWithItsContext) {
  EXPECT_EQ(describe(Error{ErrorCode::corrupt, 0, "segment 3"}), "segment 3: damaged");
  EXPECT_EQ(describe(Error{ErrorCode::corrupt, 0, ""}), "damaged");
  EXPECT_EQ(describe(Error{ErrorCode::storage_full, ENOSPC, "write"}),
            "write: No space left on device");
}

TEST(Error, ErrnoDecidesTheCode) {
  const struct {
    int os_error;
    ErrorCode code;
  } cases[] = {{ENOSPC, ErrorCode::storage_full}, {EDQUOT, ErrorCode::storage_full},
               {ENOENT, ErrorCode::not_found},    {EEXIST, ErrorCode::already_exists},
               {EACCES, ErrorCode::permission},   {EMFILE, ErrorCode::overloaded},
               {ETIMEDOUT, ErrorCode::timed_out}, {ECONNREFUSED, ErrorCode::unavailable},
               {ENOSYS, ErrorCode::unsupported},  {EIO, ErrorCode::io_failure},
               {EROFS, ErrorCode::io_failure}};
  for (const auto& [os_error, code] : cases) {
    const Error error = fail_os(os_error, "call").error();
    EXPECT_EQ(error.code, code) << os_error;
    EXPECT_EQ(error.os_error, os_error);
    EXPECT_EQ(error.context, "call");
  }
}

TEST(Error, ContextIsPutInFront) {
  EXPECT_EQ(propagate(Error{ErrorCode::busy, 0, "inner"}, "outer").error().context, "outer: inner");
  EXPECT_EQ(propagate(Error{ErrorCode::busy, 0, ""}, "outer").error().context, "outer");
  EXPECT_EQ(propagate(Error{ErrorCode::busy, 0, "inner"}).error().context, "inner");
}

TEST(Error, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::protocol); ++code) {
    const std::string_view name = name_of(static_cast<ErrorCode>(code));
    EXPECT_NE(name, "unknown error") << code;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(AssertDeathTest, StopsTheProcessAndNamesTheCondition) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(BREVDUE_ASSERT(1 == 2), "error_test.cc:[0-9]+: assertion failed: 1 == 2");
}

}  // namespace
}  // namespace brevdue

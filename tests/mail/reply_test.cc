#include "mail/reply.h"

#include <gtest/gtest.h>

namespace brevdue::mail {
namespace {

TEST(Reply, IsPrintedAsLogsShowIt) {
  EXPECT_EQ((Reply{452, "4.3.1", "Insufficient system storage"}).line(),
            "452 4.3.1 Insufficient system storage");
  EXPECT_EQ((Reply{220, "", "mx ESMTP"}).line(), "220 mx ESMTP");
}

TEST(Reply, TheFirstDigitDecides) {
  EXPECT_TRUE((Reply{250, "", ""}).positive());
  EXPECT_TRUE((Reply{354, "", ""}).positive());
  EXPECT_TRUE((Reply{452, "", ""}).transient());
  EXPECT_TRUE((Reply{554, "", ""}).permanent());
  const Reply none;
  EXPECT_FALSE(none.positive() || none.transient() || none.permanent());
}

TEST(Reply, EveryErrorHasOneWhoseCodesAgree) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::protocol); ++code) {
    const Reply reply = reply_for(static_cast<ErrorCode>(code));
    EXPECT_TRUE(reply.transient() || reply.permanent()) << code;
    EXPECT_EQ(reply.enhanced.front(), '0' + reply.code / 100) << code;
    EXPECT_FALSE(reply.text.empty()) << code;
  }
}

// RFC 5321 4.5.3.1.10 and 4.2.2: what may pass later is 4xx, so that the client keeps the mail.
TEST(Reply, WhatMayPassLaterIsTransient) {
  for (const ErrorCode code : {ErrorCode::storage_full, ErrorCode::io_failure, ErrorCode::corrupt,
                               ErrorCode::busy, ErrorCode::unavailable, ErrorCode::overloaded}) {
    EXPECT_TRUE(reply_for(code).transient()) << name_of(code);
  }
  EXPECT_EQ(reply_for(ErrorCode::storage_full).line(), "452 4.3.1 Insufficient system storage");
}

}  // namespace
}  // namespace brevdue::mail

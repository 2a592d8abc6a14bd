#include "delivery/job.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/delivery/relay_rig.h"

namespace brevdue::delivery {
namespace {

std::string encoded(const Job& job) {
  return encode_job_head(job.attempt, job.next_hop, job.scheduled, job.recipients,
                         mail::encode(job.envelope)) +
         std::string(job.content.view());
}

Job three_recipients() {
  Job job = tests::make_job("relay:127.0.0.1:25", {"a@b.test", "c@d.test", "e@f.test"});
  job.recipients = {0, 2};
  return job;
}

TEST(Job, comes_back_as_it_was) {
  const Job job = three_recipients();
  const auto decoded = decode_job(encoded(job), {});
  ASSERT_TRUE(decoded) << describe(decoded.error());
  EXPECT_EQ(decoded->attempt, job.attempt);
  EXPECT_EQ(decoded->next_hop, job.next_hop);
  EXPECT_EQ(decoded->envelope, job.envelope);
  EXPECT_EQ(decoded->recipients, job.recipients);
  EXPECT_EQ(decoded->scheduled, job.scheduled);
  EXPECT_EQ(decoded->content.view(), job.content.view());
  EXPECT_FALSE(decoded->file);
}

TEST(Job, of_staged_content_comes_with_a_file) {
  Job job = three_recipients();
  job.envelope.content.staged = true;
  job.content = SharedBytes();
  EXPECT_FALSE(decode_job(encoded(job), {}));
  EXPECT_TRUE(decode_job(encoded(job), UniqueFd(::memfd_create("x", MFD_CLOEXEC))));
}

TEST(Job, is_refused_when_it_is_cut_anywhere) {
  const std::string whole = encoded(three_recipients());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_job(whole.substr(0, size), {})) << size;
  }
  EXPECT_FALSE(decode_job(whole + "x", {}));
}

TEST(Job, is_refused_when_it_names_recipients_that_are_not_there) {
  Job job = three_recipients();
  for (const std::vector<std::uint32_t>& wrong :
       {std::vector<std::uint32_t>{}, {3}, {0, 3}, {0, 0}, {1, 0}, {0xffffffff}}) {
    job.recipients = wrong;
    EXPECT_FALSE(decode_job(encoded(job), {}));
  }
}

TEST(Job, is_decoded_or_refused_whatever_byte_is_flipped) {
  const std::string whole = encoded(three_recipients());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(static_cast<unsigned char>(flipped[i]) ^ (1u << bit));
      const auto decoded = decode_job(flipped, {});
      if (!decoded) continue;
      EXPECT_LT(decoded->recipients.back(), decoded->envelope.recipients.size());
    }
  }
}

}  // namespace
}  // namespace brevdue::delivery

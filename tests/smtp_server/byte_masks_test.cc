#include "smtp/byte_masks.h"

#include <array>
#include <random>
#include <string_view>

#include <gtest/gtest.h>

namespace brevdue::smtp {
namespace {

ByteMasks one_look_at_each(std::string_view bytes) {
  ByteMasks masks;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    masks.cr |= std::uint64_t{byte == '\r'} << i;
    masks.lf |= std::uint64_t{byte == '\n'} << i;
    masks.nul |= std::uint64_t{byte == 0} << i;
    masks.dot |= std::uint64_t{byte == '.'} << i;
    masks.high |= std::uint64_t{byte > 127} << i;
  }
  return masks;
}

ByteMasks on_any(const char* at, std::size_t size) {
  return masks_of(at, size);
}
#ifdef __x86_64__
[[gnu::target("avx2")]] ByteMasks on_avx2(const char* at, std::size_t size) {
  return masks_of(at, size);
}
[[gnu::target("avx512bw")]] ByteMasks on_avx512(const char* at, std::size_t size) {
  return masks_of(at, size);
}
#endif

class ByteMasksTest : public testing::Test {
 protected:
  void compare(ByteMasks (*masks)(const char*, std::size_t)) {
    constexpr std::string_view interesting = {"\r\n\0.\x7f\x80\xffx", 8};
    std::mt19937 random(11);
    std::array<char, mask_block_bytes> block;
    for (int round = 0; round < 20000; ++round) {
      for (char& byte : block) {
        byte = round % 2 == 0 ? interesting[random() % interesting.size()]
                              : static_cast<char>(random() & 0xff);
      }
      const std::size_t size = round % 3 == 0 ? random() % mask_block_bytes : mask_block_bytes;
      const ByteMasks wanted = one_look_at_each({block.data(), size});
      const ByteMasks found = masks(block.data(), size);
      ASSERT_EQ(found.cr, wanted.cr);
      ASSERT_EQ(found.lf, wanted.lf);
      ASSERT_EQ(found.nul, wanted.nul);
      ASSERT_EQ(found.dot, wanted.dot);
      ASSERT_EQ(found.high, wanted.high);
    }
  }
};

TEST_F(ByteMasksTest, EveryProcessorSeesTheSame) {
  compare(on_any);
}

#ifdef __x86_64__
TEST_F(ByteMasksTest, WithVectorsOf32Bytes) {
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this processor has no AVX2";
  compare(on_avx2);
}

TEST_F(ByteMasksTest, WithVectorsOf64Bytes) {
  if (!__builtin_cpu_supports("avx512bw")) GTEST_SKIP() << "this processor has no AVX-512";
  compare(on_avx512);
}
#endif

}  // namespace
}  // namespace brevdue::smtp

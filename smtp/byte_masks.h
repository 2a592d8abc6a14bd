// Where the interesting bytes of a block of 64 are, one bit a byte, lowest bit first.
//
// The content codec looks at content through this: five comparisons of one vector are far cheaper
// than one look at each byte. The vector is as wide as the block, and the compiler makes it of what
// the processor has: a loop over blocks is worth compiling for several (BREVDUE_WIDE_VECTORS).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// Before the first declaration of a function: it is compiled for each of these processors, with
// what it inlines, and the one that fits is chosen when the program starts.
#ifdef __x86_64__
#define BREVDUE_WIDE_VECTORS [[gnu::target_clones("avx512bw", "avx2", "default")]]
#else
#define BREVDUE_WIDE_VECTORS
#endif

namespace brevdue::smtp {

struct ByteMasks {
  std::uint64_t cr = 0;
  std::uint64_t lf = 0;
  std::uint64_t nul = 0;
  std::uint64_t dot = 0;
  std::uint64_t high = 0;  // above 127
};

inline constexpr std::size_t mask_block_bytes = 64;

[[gnu::always_inline]] inline ByteMasks masks_of_block(const char* at) {
  using Bytes [[gnu::vector_size(mask_block_bytes)]] = unsigned char;
  using Bits = bool __attribute__((ext_vector_type(mask_block_bytes)));
  Bytes bytes;
  std::memcpy(&bytes, at, sizeof bytes);
  const auto mask_of = [](const auto& matches) __attribute__((always_inline)) {
    return __builtin_bit_cast(std::uint64_t, __builtin_convertvector(matches, Bits));
  };
  return {.cr = mask_of(bytes == '\r'),
          .lf = mask_of(bytes == '\n'),
          .nul = mask_of(bytes == 0),
          .dot = mask_of(bytes == '.'),
          .high = mask_of(bytes > 127)};
}

// Of the first `size` bytes at `at`, at most 64; no byte after them is read.
[[gnu::always_inline]] inline ByteMasks masks_of(const char* at, std::size_t size) {
  if (size >= mask_block_bytes) return masks_of_block(at);
  char block[mask_block_bytes];
  std::memset(block, 'x', sizeof block);
  std::memcpy(block, at, size);
  return masks_of_block(block);
}

}  // namespace brevdue::smtp

// Where the interesting bytes of a block of 64 are, one bit a byte, lowest bit first.
//
// The content codec looks at content through this: five comparisons over four vectors are far
// cheaper than one look at each byte. SSE2 belongs to every x86-64; elsewhere the plain loop does
// the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
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

#ifdef __SSE2__
inline ByteMasks masks_of_block(const char* at) {
  ByteMasks masks;
  const auto mask_of = [](__m128i matches) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(matches)));
  };
  for (unsigned i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i * 16));
    const unsigned shift = i * 16;
    masks.cr |= mask_of(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r'))) << shift;
    masks.lf |= mask_of(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))) << shift;
    masks.nul |= mask_of(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())) << shift;
    masks.dot |= mask_of(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'))) << shift;
    masks.high |= mask_of(bytes) << shift;
  }
  return masks;
}
#else
inline ByteMasks masks_of_block(const char* at) {
  ByteMasks masks;
  for (unsigned i = 0; i < mask_block_bytes; ++i) {
    const auto byte = static_cast<unsigned char>(at[i]);
    masks.cr |= std::uint64_t{byte == '\r'} << i;
    masks.lf |= std::uint64_t{byte == '\n'} << i;
    masks.nul |= std::uint64_t{byte == 0} << i;
    masks.dot |= std::uint64_t{byte == '.'} << i;
    masks.high |= std::uint64_t{byte > 127} << i;
  }
  return masks;
}
#endif

// Of the first `size` bytes at `at`, at most 64; no byte after them is read.
inline ByteMasks masks_of(const char* at, std::size_t size) {
  if (size >= mask_block_bytes) return masks_of_block(at);
  char block[mask_block_bytes];
  std::memset(block, 'x', sizeof block);
  std::memcpy(block, at, size);
  return masks_of_block(block);
}

}  // namespace brevdue::smtp

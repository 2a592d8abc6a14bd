#include "core/crc32c.h"

#include <algorithm>
#include <array>

#include <isa-l/crc.h>

namespace brevdue {

namespace {

// Polynomials over GF(2) as CRC32C has them: the coefficient of x^0 in the highest bit.
constexpr std::uint32_t castagnoli = 0x82f63b78;
constexpr std::uint32_t one = 1u << 31;
constexpr std::uint32_t x = one >> 1;

// a times b modulo the polynomial.
constexpr std::uint32_t times(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    if ((a & one) != 0) product ^= b;
    b = (b & 1) != 0 ? b >> 1 ^ castagnoli : b >> 1;
  }
  return product;
}

// x to the power of 8 times 2^n: what 2^n further bytes do to a CRC.
constexpr auto byte_powers = [] {
  std::array<std::uint32_t, 64> powers{};
  std::uint32_t power = x;
  for (int doubled = 0; doubled < 3; ++doubled) power = times(power, power);
  for (std::uint32_t& entry : powers) {
    entry = power;
    power = times(power, power);
  }
  return powers;
}();

}  // namespace

std::uint32_t crc32c_of_both(std::uint32_t first, std::uint32_t second, std::uint64_t second_size) {
  for (std::size_t n = 0; second_size != 0; ++n, second_size >>= 1) {
    if ((second_size & 1) != 0) first = times(first, byte_powers[n]);
  }
  return first ^ second;
}

std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t before) {
  // ISA-L takes an int length and a pointer to non-const bytes that it only reads.
  constexpr std::size_t piece_max = std::size_t{1} << 30;
  auto* at = static_cast<unsigned char*>(const_cast<void*>(bytes));
  std::uint32_t state = ~before;
  while (size > 0) {
    const std::size_t piece = std::min(size, piece_max);
    state = crc32_iscsi(at, static_cast<int>(piece), state);
    at += piece;
    size -= piece;
  }
  return ~state;
}

}  // namespace brevdue

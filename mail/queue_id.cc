#include "mail/queue_id.h"

namespace brevdue::mail {

static constexpr std::string_view alphabet = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
static_assert(alphabet.size() == 52);

QueueId QueueId::make(WallTime time, std::uint16_t slot) {
  const auto micros = static_cast<std::uint64_t>(time.time_since_epoch().count());
  return QueueId((micros << slot_bits) | (slot & slot_max));
}

std::optional<QueueId> QueueId::parse(std::string_view text) {
  if (text.size() != text_length) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const auto digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    if (__builtin_mul_overflow(value, std::uint64_t{52}, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, std::uint64_t{digit}, &value)) return std::nullopt;
  }
  return QueueId(value);
}

std::string QueueId::text() const {
  std::string text(text_length, '0');
  std::uint64_t rest = value_;
  for (std::size_t i = text_length; i-- > 0; rest /= 52) text[i] = alphabet[rest % 52];
  return text;
}

}  // namespace brevdue::mail

#include "smtp/received_header.h"

#include <algorithm>

#include <fmt/format.h>

namespace brevdue::smtp {

std::string neutral(std::string_view helo) {
  std::string text(helo);
  std::ranges::replace_if(
      text,
      [](char c) {
        return c <= ' ' || c > '~' ||
               std::string_view("<>()\\\";@").find(c) != std::string_view::npos;
      },
      '?');
  return text;
}

std::string ReceivedHeader::text() const {
  std::string out;
  out.reserve(256);
  out.append("Received: from ").append(neutral(helo)).append(" (unknown [").append(client_literal);
  out.append("])\r\n\tby ").append(hostname).append(" (Brevdue) with ").append(protocol);
  out.append(" id ").append(id.text());
  if (!recipient.empty()) out.append("\r\n\tfor <").append(recipient).append(">");
  out.append("; ").append(rfc5322_date(arrival)).append("\r\n");
  return out;
}

}  // namespace brevdue::smtp

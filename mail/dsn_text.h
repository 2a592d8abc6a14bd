// How text from outside is made safe inside a notification. Pure.
#pragma once

#include <string>
#include <string_view>

namespace brevdue::mail {

// Control characters become '?', and so does what is not ASCII, or with `utf8` what is not valid
// UTF-8. Tabs become spaces.
std::string printable(std::string_view text, bool utf8);

// Whether every byte is ASCII.
bool is_ascii(std::string_view text);

// "Name: value" as a header field: folded at spaces so that lines stay under 78 bytes where they
// can and under 900 in any case, with CRLF after it. The value must be printable().
std::string header_field(std::string_view name, std::string_view value);

// A paragraph with hanging indent, wrapped in the same way.
std::string paragraph(std::string_view text);

// The header of a message, lines cut at 998 bytes, without the empty line; at most `size_max`
// bytes, cut at the end of a line.
std::string header_lines(std::string_view header, std::size_t size_max, bool utf8);

// RFC 3461 4: "+40" becomes "@". What is not xtext stays as it is.
std::string decode_xtext(std::string_view text);

}  // namespace brevdue::mail

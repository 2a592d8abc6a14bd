#include "bench/load/dot_codec.h"

namespace brevdue::load {

void append_stuffed(std::string& out, std::string_view lines) {
  std::size_t from = 0;
  for (std::size_t dot = lines.find('.'); dot != std::string_view::npos;
       dot = lines.find('.', dot + 1)) {
    if (dot != 0 && lines[dot - 1] != '\n') continue;
    out.append(lines.substr(from, dot - from));
    out.push_back('.');
    from = dot;
  }
  out.append(lines.substr(from));
}

// The tail that was remembered counts only for the two bytes at `from`, since the content continues
// there.
std::size_t DotDecoder::find_line_dot(std::string_view in, std::size_t from) const {
  for (std::size_t dot = in.find('.', from); dot != std::string_view::npos;
       dot = in.find('.', dot + 1)) {
    const std::size_t offset = dot - from;
    const char before = offset >= 1 ? in[dot - 1] : last_;
    const char before_that = offset >= 2 ? in[dot - 2] : offset == 1 ? last_ : before_last_;
    if (before == '\n' && before_that == '\r') return dot;
  }
  return in.size();
}

void DotDecoder::remember_tail(std::string_view in, std::size_t from) {
  if (in.size() - from >= 2) {
    before_last_ = in[in.size() - 2];
    last_ = in.back();
  } else if (in.size() > from) {
    before_last_ = last_;
    last_ = in.back();
  }
}

}  // namespace brevdue::load

// Dot-stuffing and its reverse (RFC 5321 4.5.2).
//
// The decoder is strict: only CRLF "." CRLF ends the data; a bare CR or LF is content like any
// other byte. It copies nothing: pieces of the input are handed on where they lie.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace brevdue::load {

// Appends whole lines, each dot at the start of a line doubled.
void append_stuffed(std::string& out, std::string_view lines);

class DotDecoder {
 public:
  // Takes input up to the end of the data and returns how much of it was taken; `keep` is called
  // with the content in pieces.
  template <class Keep>
  std::size_t feed(std::string_view in, Keep&& keep) {
    std::size_t at = take_pending(in, keep);
    while (!ended_ && at < in.size()) {
      const std::size_t stop = find_line_dot(in, at);
      if (stop > at) keep(in.substr(at, stop - at));
      if (stop == in.size()) {
        remember_tail(in, at);
        return stop;
      }
      at = stop + 1;
      before_last_ = 0;
      last_ = '.';
      pending_ = Pending::dot;
      at += take_pending(in.substr(at), keep);
    }
    return at;
  }

  bool ended() const { return ended_; }

 private:
  enum class Pending { none, dot, dot_cr };

  // Decides what a dot at the start of a line was, from the bytes after it.
  template <class Keep>
  std::size_t take_pending(std::string_view in, Keep&& keep) {
    std::size_t taken = 0;
    if (pending_ == Pending::dot && taken < in.size()) {
      pending_ = in[taken] == '\r' ? Pending::dot_cr : Pending::none;
      if (pending_ == Pending::dot_cr) ++taken;
    }
    if (pending_ == Pending::dot_cr && taken < in.size()) {
      pending_ = Pending::none;
      if (in[taken] == '\n') {
        ended_ = true;
        return taken + 1;
      }
      keep(std::string_view("\r"));
      before_last_ = '.';
      last_ = '\r';
    }
    return taken;
  }

  std::size_t find_line_dot(std::string_view in, std::size_t from) const;
  void remember_tail(std::string_view in, std::size_t from);

  // The two bytes before the next one; data starts at the start of a line.
  char before_last_ = '\r';
  char last_ = '\n';
  Pending pending_ = Pending::none;
  bool ended_ = false;
};

}  // namespace brevdue::load

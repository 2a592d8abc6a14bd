#include "tests/dialogs/dialog.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace brevdue::dialogs {

bool Dialog::needs_control() const {
  return std::ranges::any_of(steps, [](const Step& step) {
    return step.kind == StepKind::set || step.kind == StepKind::reception ||
           step.kind == StepKind::wait || step.kind == StepKind::drain;
  });
}

bool matches(std::string_view pattern, std::string_view text) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t i = star; i <= text.size(); ++i) {
    if (matches(rest, text.substr(i))) return true;
    if (rest.empty()) return true;
  }
  return false;
}

Result<std::string> unescape(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes.push_back(text[i]);
      continue;
    }
    const char kind = ++i < text.size() ? text[i] : ' ';
    unsigned value = 0;
    switch (kind) {
      case 'r':
        bytes.push_back('\r');
        break;
      case 'n':
        bytes.push_back('\n');
        break;
      case 't':
        bytes.push_back('\t');
        break;
      case '0':
        bytes.push_back('\0');
        break;
      case '\\':
        bytes.push_back('\\');
        break;
      case 'x':
        if (text.size() - i < 3 ||
            std::from_chars(&text[i] + 1, &text[i] + 3, value, 16).ptr != &text[i] + 3) {
          return fail(ErrorCode::invalid_argument, "\\x needs two digits");
        }
        bytes.push_back(static_cast<char>(value));
        i += 2;
        break;
      default:
        return fail(ErrorCode::invalid_argument, fmt::format("unknown escape \\{}", kind));
    }
  }
  return bytes;
}

std::string escape(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c < ' ' || c > '~') {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text.push_back(c);
    }
  }
  return text;
}

// Cuts the first word off.
static std::string_view next_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

static Result<std::size_t> next_number(std::string_view& text) {
  const std::string_view word = next_word(text);
  std::size_t number = 0;
  if (word.empty() || std::from_chars(word.data(), word.data() + word.size(), number).ptr !=
                          word.data() + word.size()) {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is not a number", word));
  }
  return number;
}

static Result<Step> parse_send(std::string_view keyword, std::string_view rest) {
  std::size_t times = 1;
  if (keyword == "=*") {
    const auto number = next_number(rest);
    if (!number) return propagate(number.error());
    times = *number;
  }
  const auto bytes = unescape(rest);
  if (!bytes) return propagate(bytes.error());
  Step step{.kind = StepKind::send};
  step.text.reserve(times * bytes->size());
  for (std::size_t i = 0; i < times; ++i) step.text += *bytes;
  if (keyword == "->") step.text += "\r\n";
  return step;
}

static Result<Step> parse_step(std::string_view text) {
  std::string_view rest = text;
  const std::string_view keyword = next_word(rest);
  if (keyword == "->" || keyword == "=>" || keyword == "=*") return parse_send(keyword, rest);
  const auto plain = [&](StepKind kind) { return Step{.kind = kind, .text = std::string(rest)}; };
  if (keyword == "<-") return plain(StepKind::expect);
  if (keyword == "pause") return plain(StepKind::pause);
  if (keyword == "closed") return plain(StepKind::closed);
  if (keyword == "open") return plain(StepKind::open);
  if (keyword == "wait") return plain(StepKind::wait);
  if (keyword == "lost") return plain(StepKind::lost);
  if (keyword == "drain") return plain(StepKind::drain);
  if (keyword == "log") return plain(StepKind::log);
  if (keyword == "no-log") return plain(StepKind::no_log);
  if (keyword == "messages") return plain(StepKind::messages);
  Step step{.kind = StepKind::set};
  if (keyword == "message") {
    step.kind = StepKind::message;
    const auto number = next_number(rest);
    if (!number) return propagate(number.error());
    step.number = *number;
  } else if (keyword == "reception") {
    step.kind = StepKind::reception;
  } else if (keyword != "set") {
    return fail(ErrorCode::invalid_argument, fmt::format("unknown step \"{}\"", keyword));
  }
  step.word = next_word(rest);
  step.text = rest;
  return step;
}

Result<Dialog> parse_dialog(std::string_view name, std::string_view text) {
  Dialog dialog{.name = std::string(name), .steps = {}};
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    auto step = parse_step(line);
    if (!step) return propagate(step.error(), fmt::format("{}:{}", name, number));
    step->line = number;
    dialog.steps.push_back(std::move(*step));
  }
  return dialog;
}

Result<std::vector<Dialog>> read_dialogs(const std::string& folder) {
  std::vector<Dialog> dialogs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".dialog") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    auto dialog = parse_dialog(entry.path().stem().string(), text);
    if (!dialog) return propagate(dialog.error());
    dialogs.push_back(std::move(*dialog));
  }
  if (error) return fail_os(error.value(), "reading " + folder);
  std::ranges::sort(dialogs, {}, &Dialog::name);
  return dialogs;
}

}  // namespace brevdue::dialogs

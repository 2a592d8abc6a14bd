#include "tests/dialogs/dialog_runner.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace brevdue::dialogs {

namespace {

std::string notify_text(std::uint8_t notify) {
  if (notify == mail::DsnNotify::never) return "NEVER";
  std::string text;
  const auto add = [&](std::uint8_t bit, std::string_view word) {
    if ((notify & bit) == 0) return;
    if (!text.empty()) text += ",";
    text += word;
  };
  add(mail::DsnNotify::success, "SUCCESS");
  add(mail::DsnNotify::failure, "FAILURE");
  add(mail::DsnNotify::delay, "DELAY");
  return text;
}

// What the client sent: the content without our Received field.
std::string_view without_received(std::string_view content) {
  std::size_t end = 0;
  do {
    end = content.find("\r\n", end);
    if (end == std::string_view::npos) return {};
    end += 2;
  } while (end < content.size() && content[end] == '\t');
  return content.substr(end);
}

class Run {
 public:
  Run(const Dialog& dialog, Transport& transport) : dialog_(dialog), transport_(transport) {}

  std::vector<std::string> go() {
    for (const Step& step : dialog_.steps) {
      if (step.kind == StepKind::send) {
        group_ += step.text;
        continue;
      }
      flush();
      take(step);
      if (!problems_.empty()) return problems_;
    }
    flush();
    while (const auto line = transport_.read_line()) {
      problems_.push_back(fmt::format("{}: the server also says \"{}\"", dialog_.name, *line));
    }
    return problems_;
  }

 private:
  void flush() {
    if (group_.empty()) return;
    transport_.send(group_);
    group_.clear();
  }
  void complain(const Step& step, std::string_view text) {
    problems_.push_back(fmt::format("{}:{}: {}", dialog_.name, step.line, text));
  }
  void expect_line(const Step& step);
  void control(const Step& step);
  void observe(const Step& step);
  void observe_message(const Step& step, const FakeReception& reception);
  void take(const Step& step);

  const Dialog& dialog_;
  Transport& transport_;
  std::string group_;
  std::vector<std::string> problems_;
};

void Run::expect_line(const Step& step) {
  const auto line = transport_.read_line();
  if (!line) {
    complain(step, fmt::format("expected \"{}\", the server says nothing", step.text));
  } else if (!matches(step.text, *line)) {
    complain(step, fmt::format("expected \"{}\", got \"{}\"", step.text, escape(*line)));
  }
}

void Run::control(const Step& step) {
  ServerControl* const control = transport_.control();
  if (control == nullptr) return complain(step, "this needs control over the server");
  std::string problem;
  if (step.kind == StepKind::set) problem = control->set(step.word, step.text);
  if (step.kind == StepKind::reception) problem = control->reception(step.word, step.text);
  if (step.kind == StepKind::wait) control->wait(std::chrono::seconds(std::stoul(step.text)));
  if (step.kind == StepKind::drain) control->drain();
  if (!problem.empty()) complain(step, problem);
}

void Run::observe(const Step& step) {
  const FakeReception* const reception = transport_.observed();
  if (reception == nullptr) return;
  const auto logged = [&] {
    return std::ranges::any_of(reception->lines(),
                               [&](const std::string& line) { return matches(step.text, line); });
  };
  switch (step.kind) {
    case StepKind::messages:
      if (std::to_string(reception->messages().size()) != step.text) {
        complain(step, fmt::format("expected {} messages, there are {}", step.text,
                                   reception->messages().size()));
      }
      return;
    case StepKind::message:
      return observe_message(step, *reception);
    case StepKind::log:
      if (!logged()) {
        complain(step, fmt::format("no line \"{}\" in the log:\n  {}", step.text,
                                   fmt::join(reception->lines(), "\n  ")));
      }
      return;
    default:
      if (logged()) complain(step, fmt::format("the log has a line \"{}\"", step.text));
      return;
  }
}

void Run::observe_message(const Step& step, const FakeReception& reception) {
  if (step.number == 0 || step.number > reception.messages().size()) {
    return complain(step, fmt::format("there is no message {}", step.number));
  }
  const auto value = property(reception.messages()[step.number - 1], step.word);
  if (!value) return complain(step, fmt::format("no property \"{}\"", step.word));
  if (!matches(step.text, escape(*value))) {
    complain(step,
             fmt::format("expected {} \"{}\", it is \"{}\"", step.word, step.text, escape(*value)));
  }
}

void Run::take(const Step& step) {
  switch (step.kind) {
    case StepKind::expect:
      return expect_line(step);
    case StepKind::closed:
      if (const auto line = transport_.read_line()) {
        complain(step, fmt::format("expected the end, got \"{}\"", escape(*line)));
      } else if (!transport_.closed()) {
        complain(step, "the server has not closed");
      }
      return;
    case StepKind::open:
      // Over a socket one would have to wait to see nothing.
      if (transport_.control() != nullptr && transport_.closed())
        complain(step, "the server has closed");
      return;
    case StepKind::lost:
      return transport_.lose();
    case StepKind::set:
    case StepKind::reception:
    case StepKind::wait:
    case StepKind::drain:
      return control(step);
    case StepKind::messages:
    case StepKind::message:
    case StepKind::log:
    case StepKind::no_log:
      return observe(step);
    case StepKind::send:
    case StepKind::pause:
      return;
  }
}

}  // namespace

std::vector<std::string> run(const Dialog& dialog, Transport& transport) {
  return Run(dialog, transport).go();
}

std::optional<std::string> property(const AcceptedMessage& message, std::string_view name) {
  const mail::Envelope& envelope = message.envelope;
  if (name == "from") return "<" + envelope.reverse_path + ">";
  if (name == "to") {
    std::string text;
    for (const auto& one : envelope.recipients) {
      text += (text.empty() ? "<" : " <") + one.address + ">";
    }
    return text;
  }
  if (name == "content") return message.content;
  if (name == "body") return std::string(without_received(message.content));
  if (name == "body-size") return std::to_string(without_received(message.content).size());
  if (name == "size") return std::to_string(envelope.content.size);
  if (name == "header-length") {
    const auto field = message.content.size() - without_received(message.content).size();
    return std::to_string(envelope.content.header_length - field);
  }
  if (name == "longest-line") return std::to_string(envelope.content.longest_line);
  if (name == "eight-bit") return envelope.content.eight_bit ? "yes" : "no";
  if (name == "staged") return envelope.content.staged ? "yes" : "no";
  if (name == "smtputf8") return envelope.smtputf8 ? "yes" : "no";
  if (name == "body-type") {
    return envelope.body == mail::BodyType::eight_bit ? "8BITMIME" : "7BIT";
  }
  if (name == "ret") {
    if (envelope.dsn_return == mail::DsnReturn::full) return "FULL";
    return envelope.dsn_return == mail::DsnReturn::headers ? "HDRS" : "";
  }
  if (name == "envid") return envelope.envelope_id;
  if (name == "client") return envelope.client_address;
  if (name == "helo") return envelope.client_helo;
  if (envelope.recipients.empty()) return std::nullopt;
  if (name == "notify") return notify_text(envelope.recipients.front().notify);
  if (name == "orcpt") return envelope.recipients.front().original_recipient;
  return std::nullopt;
}

}  // namespace brevdue::dialogs

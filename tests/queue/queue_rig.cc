#include "tests/queue/queue_rig.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>
#include <sys/mman.h>

#include "core/crc32c.h"
#include "tests/support/one_directory_spool.h"

namespace brevdue::tests {

namespace {
mail::Envelope envelope_of(std::uint64_t id, const std::string& content) {
  mail::Envelope envelope;
  envelope.id = mail::QueueId(id);
  envelope.reverse_path = "sender@example.org";
  envelope.content.size = content.size();
  envelope.content.crc32c = crc32c(content);
  envelope.recipients = {{"one@example.org", "", 0}, {"two@example.net", "", 0}};
  return envelope;
}
}  // namespace

QueueRig::QueueRig(std::size_t content_cache_bytes, std::size_t message_cache_bytes)
    : log_file_(::memfd_create("log", MFD_CLOEXEC)) {
  options_.committer.share_min = 1;  // two enqueues are two batches where the store wants two
  options_.content_cache_bytes = content_cache_bytes;
  options_.message_cache_bytes = message_cache_bytes;
  log_ = std::make_unique<Log>(LogOptions{.fd = log_file_.get()}, clock);
  options_.sides = spool_in(files, staged.path()).value();
  remake();
}

QueueRig::~QueueRig() {
  queue.reset();
}

void QueueRig::remake() {
  queue.reset();
  loop.run_posted();
  events.clear();
  auto factory = [this]() -> Result<std::unique_ptr<queue::Store>> {
    return std::make_unique<FaultyStore>(store);
  };
  queue = std::make_unique<queue::Queue>(options_, std::move(factory), files, clock, loop, *log_,
                                         *this);
}

void QueueRig::start() {
  if (auto started = queue->start(); !started) throw std::runtime_error(describe(started.error()));
  loop.wait_until([this] { return !queue->recovering(); });
}

void QueueRig::restart() {
  remake();
  start();
}

void QueueRig::reopen_after(std::chrono::nanoseconds delay) {
  loop.advance(delay);
  loop.wait_until([this] { return queue->is_available(); });
}

queue::NewMessage QueueRig::message(std::uint64_t id, const std::string& content) {
  const mail::Envelope envelope = envelope_of(id, content);
  return {envelope.id, SharedBytes(mail::encode(envelope)), SharedBytes(content), content.size(), 2,
          false};
}

queue::NewMessage QueueRig::staged_message(std::uint64_t id, const std::string& content) {
  mail::Envelope envelope = envelope_of(id, content);
  envelope.content.staged = true;
  auto file = queue->staging().open(envelope.id);
  bool finished = false;
  queue->staging().append(file, SharedBytes(content), [](const Result<void>&) {});
  queue->staging().finish(std::move(file), envelope.content, [&](const Result<void>& result) {
    finished = true;
    if (!result) throw std::runtime_error(describe(result.error()));
  });
  loop.wait_until([&] { return finished; });
  return {envelope.id, SharedBytes(mail::encode(envelope)), SharedBytes(), content.size(), 2, true};
}

void QueueRig::put_on_disk(std::uint64_t id, mail::DeliveryState state) {
  const queue::NewMessage one = message(id);
  const std::lock_guard lock(store.disk.mutex);
  store.disk.messages[one.id] = {one.envelope, one.content, std::move(state)};
}

queue::Queue::Done QueueRig::remember() {
  answers.emplace_back();
  return [this, which = answers.size() - 1](Result<void> result) {
    if (answers[which]) throw std::runtime_error("answered twice");
    answers[which] = std::move(result);
  };
}

std::size_t QueueRig::enqueue(queue::NewMessage message) {
  auto done = remember();
  const std::size_t which = answers.size() - 1;
  queue->enqueue(std::move(message), std::move(done));
  return which;
}

std::size_t QueueRig::settle(std::uint64_t id, mail::Settlement delta,
                             std::vector<queue::NewMessage> notices) {
  auto done = remember();
  const std::size_t which = answers.size() - 1;
  queue->settle(mail::QueueId(id), std::move(delta), std::move(notices), std::move(done));
  return which;
}

std::size_t QueueRig::discard(std::uint64_t id, std::vector<queue::NewMessage> notices) {
  auto done = remember();
  const std::size_t which = answers.size() - 1;
  queue->discard(mail::QueueId(id), std::move(notices), std::move(done));
  return which;
}

Result<void> QueueRig::answer(std::size_t which) {
  loop.advance(std::chrono::milliseconds(10));  // a lone mutation waits that long for company
  if (!answers.at(which)) return fail(ErrorCode::timed_out, "not answered");
  return *answers[which];
}

Result<void> QueueRig::enqueue_now(queue::NewMessage message) {
  return answer(enqueue(std::move(message)));
}

Result<void> QueueRig::settle_now(std::uint64_t id, mail::Settlement delta) {
  return answer(settle(id, std::move(delta)));
}

Result<void> QueueRig::discard_now(std::uint64_t id) {
  return answer(discard(id));
}

queue::MessagePtr QueueRig::find(std::uint64_t id) {
  std::optional<Result<queue::MessagePtr>> found;
  queue->load(mail::QueueId(id), [&](Result<queue::MessagePtr> message) { found = message; });
  loop.wait_until([&] { return found.has_value(); });
  return found->value_or(nullptr);
}

Result<std::string> QueueRig::read(std::uint64_t id) {
  std::optional<Result<std::string>> text;
  queue->read(mail::QueueId(id), [&](Result<queue::Content> content) {
    if (!content) {
      text = propagate(std::move(content.error()));
    } else if (content->file) {
      std::string bytes(1 << 16, '\0');
      const auto n = read_all(real_files, content->file.get(), bytes.data(), bytes.size(), 0);
      text = bytes.substr(0, n.value());
    } else {
      text = std::string(content->bytes.view());
    }
  });
  loop.wait_until([&] { return text.has_value(); });
  return std::move(*text);
}

void QueueRig::staging_idle() {
  bool idle = false;
  queue->staging().run([] { return Result<void>(); }, [&](const Result<void>&) { idle = true; });
  loop.wait_until([&] { return idle; });
}

std::string QueueRig::log_text() const {
  std::string text(1 << 20, '\0');
  const ssize_t n = ::pread(log_file_.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

std::size_t QueueRig::count(const std::string& event) const {
  return static_cast<std::size_t>(std::ranges::count(events, event));
}

void QueueRig::queued(const queue::QueuedMessage& message) {
  const std::string id = fmt::format("{}", message.id.value());
  events.push_back("queued " + id);
  if (!store.contains(message.id.value())) not_durable.push_back(id);
}

void QueueRig::recovered(std::size_t count) {
  events.push_back(fmt::format("recovered {}", count));
}

}  // namespace brevdue::tests

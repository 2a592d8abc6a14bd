#include "tests/delivery/relay_rig.h"

#include <utility>

#include <sys/mman.h>

#include "core/crc32c.h"

namespace brevdue::tests {

namespace asio = boost::asio;

static delivery::Exchanges find(const std::map<std::string, delivery::Exchanges>& table,
                                const std::string& name) {
  const auto found = table.find(name);
  if (found != table.end()) return found->second;
  return std::unexpected(mail::Reply{550, "5.4.4", "Host or domain name not found: " + name});
}

asio::awaitable<delivery::Exchanges> TableLookup::exchanges(std::string domain) {
  co_return find(domains, domain);
}

asio::awaitable<delivery::Exchanges> TableLookup::addresses(std::string host) {
  co_return find(hosts, host);
}

RelayRig::RelayRig()
    : log_file_(::memfd_create("log", MFD_CLOEXEC)),
      log_({"mx.here.test", "brevdue", "smtp", log_file_.get(), false}, clock_) {
  options.hostname = "mx.here.test";
}

void RelayRig::start() {
  relay_under_test = std::make_unique<delivery::Relay>(loop, options, lookup, clock_, log_);
}

void RelayRig::submit(delivery::Job job) {
  if (!relay_under_test) start();
  relay_under_test->submit(
      std::move(job), [this](const delivery::Outcome& outcome) { outcomes.push_back(outcome); });
}

delivery::Outcome RelayRig::relay(delivery::Job job) {
  const std::size_t before = outcomes.size();
  submit(std::move(job));
  if (!run_until([&] { return outcomes.size() > before; })) return {};
  return outcomes.back();
}

std::string RelayRig::log_text() const {
  std::string text(1 << 20, '\0');
  const ssize_t size = ::pread(log_file_.get(), text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

delivery::Job make_job(std::string next_hop, std::vector<std::string> recipients,
                       std::string content) {
  static std::uint64_t attempt = 0;
  delivery::Job job;
  job.attempt = ++attempt;
  job.next_hop = std::move(next_hop);
  job.scheduled = SystemClock().wall();
  job.envelope.id = mail::QueueId::make(job.scheduled, 1);
  job.envelope.arrival = job.scheduled - std::chrono::milliseconds(100);
  job.envelope.reverse_path = "from@here.test";
  job.envelope.content.size = content.size();
  job.envelope.content.crc32c = crc32c(content);
  for (std::string& recipient : recipients) {
    job.recipients.push_back(static_cast<std::uint32_t>(job.envelope.recipients.size()));
    job.envelope.recipients.push_back({std::move(recipient), "", 0});
  }
  job.content = SharedBytes(content);
  return job;
}

}  // namespace brevdue::tests

#include "tests/powerloss/spool_reader.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "bench/load/content.h"
#include "core/crc32c.h"
#include "core/file_system.h"
#include "core/log.h"
#include "daemon/spool.h"
#include "daemon/store_choice.h"
#include "queue/spool_directory.h"

namespace brevdue::powerloss {

namespace {
constexpr std::string_view key_field = "X-Book: ";

class Found final : public queue::RecoverySink {
 public:
  void message(queue::RecoveredMessage message) override { messages.push_back(std::move(message)); }
  void quarantined(queue::Quarantined found) override {
    damage.push_back(found.where + ": " + found.why);
  }
  std::vector<queue::RecoveredMessage> messages;
  std::vector<std::string> damage;
};

std::string_view name_of(mail::RecipientStatus status) {
  switch (status) {
    case mail::RecipientStatus::pending:
      return "pending";
    case mail::RecipientStatus::deferred:
      return "deferred";
    case mail::RecipientStatus::relayed:
      return "relayed";
    case mail::RecipientStatus::failed:
      return "failed";
  }
  return "unknown";
}

// Byte by byte: a checksum that the program itself got wrong must not vouch for it.
bool is_content_of(const load::BookKey& key, std::string_view found) {
  const load::Content content(key);
  std::string expected = content.header();
  for (std::uint64_t slot = 0; slot < content.slots(); ++slot) content.append_slot(expected, slot);
  return expected == found;
}

// A DSN carries the header of what it is about in a part of its own: only the outer one counts.
void judge_content(std::string_view content, FoundMessage& message) {
  const std::string_view header = content.substr(0, content.find("\r\n\r\n"));
  const std::size_t at = header.find(key_field);
  message.verdict = "whole";
  if (at == std::string_view::npos) return;
  const std::size_t begin = at + key_field.size();
  message.key = header.substr(begin, header.find("\r\n", begin) - begin);
  const auto key = load::parse_book_key(message.key);
  if (!key || !is_content_of(*key, content.substr(at))) message.verdict = "altered";
}

class Reader {
 public:
  Reader(queue::Store& store, FileSystem& files, std::string spool)
      : store_(store), files_(files), spool_(std::move(spool)) {}

  Result<FoundMessage> read(const queue::RecoveredMessage& recovered) {
    auto envelope = mail::decode_envelope(recovered.envelope.view());
    if (!envelope) return propagate(std::move(envelope.error()), recovered.id.text());
    FoundMessage message;
    message.id = recovered.id;
    message.reverse_path = envelope->reverse_path;
    for (std::uint32_t i = 0; i < envelope->recipients.size(); ++i) {
      message.recipients.emplace_back(envelope->recipients[i].address,
                                      name_of(recovered.state.status_of(i)));
    }
    if (auto content = content_of(recovered, *envelope)) {
      judge_content(*content, message);
    } else {
      message.verdict = "unreadable: " + describe(content.error());
    }
    return message;
  }

 private:
  Result<std::string> content_of(const queue::RecoveredMessage& recovered,
                                 const mail::Envelope& envelope) {
    if (envelope.content.staged) {
      auto content = read_file(files_, AT_FDCWD, spool_ + "/staged/" + recovered.id.text(),
                               envelope.content.size);
      if (content && crc32c(*content) != envelope.content.crc32c) {
        return fail(ErrorCode::corrupt, "staged content");
      }
      return content;
    }
    auto content = store_.open(recovered.id, recovered.location);
    if (!content) return propagate(std::move(content.error()));
    return std::string(content->view());
  }

  queue::Store& store_;
  FileSystem& files_;
  std::string spool_;
};
}  // namespace

Result<SpoolContents> read_spool(const config::Config& config, bool read_only) {
  RealFileSystem files;
  SystemClock clock;
  const Log log(LogOptions{}, clock);
  std::optional<queue::SpoolDirectory> stopped;
  daemon::Spool spool;
  if (read_only) {
    const auto paths = daemon::stopped_paths(files, config);
    if (!paths) return propagate(paths.error(), "spool");
    auto opened = daemon::open_stopped(files, config, paths->front());
    if (!opened) return propagate(std::move(opened.error()), "spool");
    stopped = std::move(*opened);
  } else {
    auto opened = daemon::Spool::open(files, config, log);
    if (!opened) return propagate(std::move(opened.error()), "spool");
    spool = std::move(*opened);
  }
  auto store = read_only ? daemon::make_store(config, stopped->path(), log, true) : spool.factory();
  if (!store) return propagate(std::move(store.error()), "store");
  if (auto started = (*store)->start(); !started) {
    return propagate(std::move(started.error()), "start");
  }
  Found found;
  if (auto recovered = (*store)->recover(found); !recovered) {
    return propagate(std::move(recovered.error()), "recover");
  }
  std::ranges::sort(found.messages, {}, &queue::RecoveredMessage::id);
  SpoolContents contents;
  contents.damage = std::move(found.damage);
  Reader reader(**store, files,
                read_only ? stopped->path() : spool.sides->taking_part().front()->path);
  for (const queue::RecoveredMessage& message : found.messages) {
    auto read = reader.read(message);
    if (!read) return propagate(std::move(read.error()));
    contents.messages.push_back(std::move(*read));
  }
  return contents;
}

}  // namespace brevdue::powerloss

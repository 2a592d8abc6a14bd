// `brevdue queue …`
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/complaint.h"
#include "cli/control_client.h"
#include "cli/queue_listing.h"
#include "cli/read_config.h"
#include "cli/stopped_spool.h"
#include "daemon/spool.h"

namespace brevdue::cli {

namespace {
void show(const ipc::QueueEntry& entry) {
  fmt::print("queue id:     {}\n", entry.id.text());
  fmt::print("queue:        {}\n", entry.queue_name());
  fmt::print("arrival:      {}\n", rfc3339(entry.arrival));
  fmt::print("size:         {}\n", entry.size);
  fmt::print("reverse-path: <{}>\n", entry.reverse_path);
  fmt::print("attempts:     {}\n", entry.attempts);
  if (entry.attempts > 0) fmt::print("next attempt: {}\n", rfc3339(entry.next_attempt));
  for (const ipc::QueueEntryRecipient& recipient : entry.recipients) {
    fmt::print("recipient:    <{}>{}\n", recipient.address,
               recipient.reason.empty() ? "" : " (" + recipient.reason + ")");
  }
  fmt::print("\n");
}

// Ids from the command line; "-" stands for those on standard input, one a line.
Result<std::vector<mail::QueueId>> parse_ids(const std::vector<std::string>& texts) {
  std::vector<mail::QueueId> ids;
  const auto add = [&](const std::string& text) -> Result<void> {
    const auto id = mail::QueueId::parse(text);
    if (!id) return fail(ErrorCode::invalid_argument, "\"" + text + "\" is no queue id");
    ids.push_back(*id);
    return {};
  };
  for (const std::string& text : texts) {
    if (text != "-") {
      if (auto done = add(text); !done) return propagate(std::move(done.error()));
      continue;
    }
    for (std::string line; std::getline(std::cin, line);) {
      const std::string word = line.substr(0, line.find_first_of(" \t*!#"));
      if (word.empty()) continue;
      if (auto done = add(word); !done) return propagate(std::move(done.error()));
    }
  }
  return ids;
}

Result<ipc::ControlRequest> request_for(ipc::ControlVerb verb, const QueueSelection& selection) {
  auto ids = parse_ids(selection.ids);
  if (!ids) return propagate(std::move(ids.error()));
  ipc::ControlRequest request;
  request.verb = verb;
  request.ids = std::move(*ids);
  request.all = selection.all;
  request.destination = selection.destination;
  request.reverse_path = selection.reverse_path;
  return request;
}

int list_offline(const config::Config& config, bool json) {
  QueueListing listing(stdout, json);
  auto done = list_stopped_spool(
      config, [&](const ipc::QueueEntry& entry) { listing.add(entry); },
      [](const std::string& damage) { fmt::print(stderr, "brevdue: damaged: {}\n", damage); });
  if (!done) return complain(done.error());
  listing.finish();
  return 0;
}

int show_offline(const config::Config& config, const std::vector<mail::QueueId>& ids) {
  for (const mail::QueueId id : ids) {
    auto message = read_stopped_message(config, id);
    if (!message) return complain(message.error());
    show(message->entry);
    std::fwrite(message->content.data(), 1, message->content.size(), stdout);
  }
  return 0;
}
}  // namespace

int queue_list(const std::string& config_path, bool json) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  auto client = ControlClient::connect(config->control.socket);
  if (!client) {
    if (client.error().code != ErrorCode::unavailable) return complain(client.error());
    fmt::print(stderr, "brevdue: {}; reading the spool {}\n", client.error().context,
               daemon::spool_text(*config));
    return list_offline(*config, json);
  }
  QueueListing listing(stdout, json);
  ipc::ControlRequest request;
  request.all = true;
  auto done =
      client->ask(request, [&](ipc::ControlFrame type, std::string_view payload) -> Result<void> {
        if (type != ipc::ControlFrame::entry) return {};
        auto entry = ipc::decode_queue_entry(payload);
        if (!entry) return propagate(std::move(entry.error()));
        listing.add(*entry);
        return {};
      });
  if (!done) return complain(done.error());
  listing.finish();
  return 0;
}

int queue_stats(const std::string& config_path) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  auto client = ControlClient::connect(config->control.socket);
  if (!client) return complain(client.error());
  ipc::ControlRequest request;
  request.verb = ipc::ControlVerb::statistics;
  auto done =
      client->ask(request, [](ipc::ControlFrame type, std::string_view payload) -> Result<void> {
        if (type == ipc::ControlFrame::line) fmt::print("{}\n", payload);
        return {};
      });
  if (!done) return complain(done.error());
  return 0;
}

int queue_show(const std::string& config_path, const QueueSelection& selection) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  auto request = request_for(ipc::ControlVerb::show, selection);
  if (!request) return complain(request.error());
  auto client = ControlClient::connect(config->control.socket);
  if (!client) {
    if (client.error().code != ErrorCode::unavailable) return complain(client.error());
    fmt::print(stderr, "brevdue: {}; reading the spool {}\n", client.error().context,
               daemon::spool_text(*config));
    return show_offline(*config, request->ids);
  }
  auto done =
      client->ask(*request, [](ipc::ControlFrame type, std::string_view payload) -> Result<void> {
        if (type == ipc::ControlFrame::content)
          std::fwrite(payload.data(), 1, payload.size(), stdout);
        if (type == ipc::ControlFrame::line) fmt::print(stderr, "brevdue: {}\n", payload);
        if (type != ipc::ControlFrame::entry) return {};
        auto entry = ipc::decode_queue_entry(payload);
        if (!entry) return propagate(std::move(entry.error()));
        show(*entry);
        std::fflush(stdout);
        return {};
      });
  if (!done) return complain(done.error());
  // Which ids are unknown was said in lines.
  return done->matched == 0 ? nothing_matched : 0;
}

int queue_change(const std::string& config_path, ipc::ControlVerb verb, std::string_view past,
                 const QueueSelection& selection) {
  const auto config = read_config(config_path);
  if (!config) return EX_CONFIG;
  auto request = request_for(verb, selection);
  if (!request) return complain(request.error());
  auto client = ControlClient::connect(config->control.socket);
  if (!client) return complain(client.error());
  auto done =
      client->ask(*request, [](ipc::ControlFrame type, std::string_view payload) -> Result<void> {
        if (type == ipc::ControlFrame::line) fmt::print(stderr, "brevdue: {}\n", payload);
        return {};
      });
  if (!done) return complain(done.error());
  if (done->failed) {
    fmt::print(stderr, "brevdue: {}\n", done->text);
    return EX_IOERR;
  }
  fmt::print("{} message{} {}\n", done->matched, done->matched == 1 ? "" : "s", past);
  return done->matched == 0 && verb != ipc::ControlVerb::flush ? nothing_matched : 0;
}

}  // namespace brevdue::cli

#include "queue/verification_text.h"

#include <filesystem>
#include <functional>
#include <string_view>

#include <fmt/format.h>

namespace brevdue::queue {

namespace {
std::string_view name_of(Damage::Part part) {
  switch (part) {
    case Damage::Part::envelope:
      return "envelope";
    case Damage::Part::settlement:
      return "state";
    case Damage::Part::content:
      return "content";
  }
  return "record";
}

std::string advice(mail::QueueId id, Damage::Part part) {
  switch (part) {
    case Damage::Part::envelope:
      return fmt::format(
          "nobody can tell any more to whom it goes; the next start sets it aside in quarantine/, "
          "\"brevdue queue delete {}\" forgets it, a good copy of the file brings it back",
          id.text());
    case Damage::Part::settlement:
      return "nothing needs to be done; an attempt may be repeated, and its recipients may get the "
             "message twice";
    case Damage::Part::content:
      return fmt::format(
          "it is held when it is attempted next, and never relayed; \"brevdue queue bounce {}\" "
          "tells its sender, a good copy of the file brings it back",
          id.text());
  }
  return {};
}

void list(const std::string& directory,
          const std::function<void(const std::filesystem::directory_entry&)>& visit) {
  std::error_code error;
  std::filesystem::directory_iterator at(directory, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) visit(*at);
}

bool is_older(const std::filesystem::directory_entry& file, std::chrono::seconds age) {
  std::error_code error;
  const auto changed = file.last_write_time(error);
  return !error && std::filesystem::file_time_type::clock::now() - changed >= age;
}
}  // namespace

std::string in_words(mail::QueueId id, const Damage& damage) {
  return fmt::format("{}: {} damaged{}{}: {}; {}", id.text(), name_of(damage.part),
                     damage.where.empty() ? "" : " in ", damage.where, damage.what,
                     advice(id, damage.part));
}

std::string missing_in_words(mail::QueueId id) {
  return fmt::format(
      "{}: missing: its record is no longer in the store; \"brevdue queue delete {}\" forgets it, "
      "a good copy of the spool brings it back",
      id.text(), id.text());
}

std::vector<Leftover> find_leftovers(const std::string& spool, std::chrono::seconds age) {
  std::vector<Leftover> found;
  list(spool + "/staged", [&](const std::filesystem::directory_entry& file) {
    if (!is_older(file, age)) return;
    const std::string name = file.path().filename();
    found.push_back(
        {mail::QueueId::parse(name),
         fmt::format(
             "staged/{} belongs to no message in the queue; a start removes it, or sets it aside",
             name)});
  });
  list(spool + "/quarantine", [&](const std::filesystem::directory_entry& file) {
    std::error_code error;
    const auto size = file.file_size(error);
    found.push_back(
        {std::nullopt,
         fmt::format("quarantine/{} ({} bytes) was set aside by recovery, the log says why; "
                     "Brevdue never reads it again",
                     file.path().filename().string(), error ? 0 : size)});
  });
  return found;
}

}  // namespace brevdue::queue

// A Staging on a temporary directory whose calls can be made to fail; each step waits for its end.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/crc32c.h"
#include "queue/staging.h"
#include "tests/queue/fake_loop.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/one_directory_spool.h"
#include "tests/support/temporary_directory.h"

namespace brevdue::tests {

struct StagingRig {
  StagingRig() { make(); }

  Result<void> start() {
    auto started = staging->start();
    files.forget_calls();
    return started;
  }
  // A new object on the same directory, as after a restart.
  Result<void> restart() {
    make();
    return start();
  }
  void make() {
    auto spool = spool_in(files, directory.path());
    if (!spool) throw std::runtime_error(describe(spool.error()));
    staging = std::make_unique<queue::Staging>(files, std::move(*spool), loop);
  }

  static mail::QueueId id(std::uint64_t value) { return mail::QueueId(value); }
  static std::string name(std::uint64_t value) { return mail::QueueId(value).text(); }
  static mail::ContentFacts facts_of(const std::string& content) {
    mail::ContentFacts facts;
    facts.size = content.size();
    facts.crc32c = crc32c(content);
    return facts;
  }

  Result<void> append(const std::shared_ptr<queue::StagedFile>& file, const std::string& chunk) {
    return wait([&](auto done) { staging->append(file, SharedBytes(chunk), std::move(done)); });
  }
  Result<void> finish(const std::shared_ptr<queue::StagedFile>& file, const std::string& content) {
    return wait([&](auto done) { staging->finish(file, facts_of(content), std::move(done)); });
  }
  // A file from its beginning to its end, in two chunks; given up if it fails.
  Result<void> stage(std::uint64_t value, const std::string& content) {
    auto file = staging->open(id(value));
    auto done = append(file, content.substr(0, content.size() / 2));
    if (done) done = append(file, content.substr(content.size() / 2));
    if (done) done = finish(file, content);
    file.reset();
    idle();
    return done;
  }
  Result<std::string> read(std::uint64_t value) {
    std::optional<Result<UniqueFd>> opened;
    staging->read(id(value), [&](Result<UniqueFd> fd) { opened = std::move(fd); });
    loop.wait_until([&] { return opened.has_value(); });
    if (!*opened) return propagate((*opened).error());
    std::string text(1 << 16, '\0');
    auto size = read_all(real_files, (*opened)->get(), text.data(), text.size(), 0);
    if (!size) return propagate(std::move(size.error()));
    text.resize(*size);
    return text;
  }
  // Waits until the writing thread has done all that was asked for. Twice: the last task asks for
  // the removal of the file that it lets go of.
  void idle() {
    for (int i = 0; i < 2; ++i) {
      const auto nothing =
          wait([&](auto done) { staging->run([] { return Result<void>(); }, std::move(done)); });
      if (!nothing) throw std::runtime_error(describe(nothing.error()));
    }
  }
  std::vector<std::string> names() { return real_files.list(directory.fd(), ".").value(); }

  template <class Begin>
  Result<void> wait(Begin begin) {
    std::optional<Result<void>> result;
    begin([&](Result<void> done) { result = std::move(done); });
    loop.wait_until([&] { return result.has_value(); });
    return *result;
  }

  FakeClock clock;
  FakeLoop loop{clock};
  RealFileSystem real_files;
  FaultyFileSystem files{real_files};
  TemporaryDirectory directory;
  std::unique_ptr<queue::Staging> staging;
};

}  // namespace brevdue::tests

// The log on files: DIRECTORY/segment-NNNNNNNN, written by pwritev2 with RWF_DSYNC, one batch at a
// time: its write has ended when start_write returns.
//
// Direct I/O where the file system has it, else through the page cache, which `notice` is told at
// start. A segment under construction is called segment-NNNNNNNN.new and takes its name only when
// all its zeros are on the disk: blocks that are merely reserved would cost a second flush with
// every batch.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backends/iouring/log_device.h"
#include "core/file_system.h"
#include "core/unique_fd.h"

namespace brevdue::backends {

struct FileLogDeviceOptions {
  std::string directory;
  std::string quarantine;  // a directory
  bool read_only = false;
  std::function<void(std::string)> notice = [](std::string) {};
};

class FileLogDevice : public LogDevice {
 public:
  explicit FileLogDevice(FileLogDeviceOptions options);

  Result<std::vector<SegmentFile>> start() override;
  Result<unsigned> begin_batches(std::string_view arena) override;
  void start_write(const BatchWrite& write) override;
  std::optional<EndedWrite> await_write() override;
  void wake() override {}
  Result<void> write_durable(std::uint32_t number, std::uint64_t offset,
                             std::string_view bytes) override;
  Result<std::size_t> read(std::uint32_t number, std::uint64_t offset, char* to,
                           std::size_t size) override;
  Result<void> create(std::uint32_t number, std::uint64_t size,
                      const std::function<bool()>& goes_on) override;
  Result<void> remove(std::uint32_t number) override;
  Result<std::uint64_t> free_space() override;
  Result<std::string> set_aside(const std::string& name, std::string_view bytes) override;
  Result<std::string> set_aside_segment(std::uint32_t number, const std::string& name) override;

 protected:
  // Keeps the descriptor open while it is in use, also when the segment is removed meanwhile.
  using SharedFd = std::shared_ptr<const UniqueFd>;
  Result<SharedFd> descriptor_of(std::uint32_t number);
  void notice(std::string text) const { options_.notice(std::move(text)); }
  // RWF_DSYNC, but in the build that is made to lose mail.
  static int durable_flags();

  std::deque<EndedWrite> ended_;  // for await_write

 private:
  Result<UniqueFd> open_segment(const std::string& name, int flags);
  Result<void> fill_with_zeros(int fd, std::uint64_t size, const std::function<bool()>& goes_on);
  Result<void> find_out_about_direct_io();

  FileLogDeviceOptions options_;
  RealFileSystem files_;
  UniqueFd directory_;
  bool direct_ = true;
  std::mutex mutex_;  // guards open_
  std::map<std::uint32_t, SharedFd> open_;
};

}  // namespace brevdue::backends

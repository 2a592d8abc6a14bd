#include "tests/disk/mounted_disk.h"

#include <array>
#include <cstdio>
#include <stdexcept>

#include <sys/wait.h>
#include <unistd.h>

#include "bench/disk/control_client.h"

namespace brevdue::disk {

Outcome run(const std::string& command) {
  std::FILE* pipe = ::popen(("exec 2>&1; " + command).c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string output;
  std::array<char, 4096> chunk{};
  for (std::size_t got; (got = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) {
    output.append(chunk.data(), got);
  }
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

Outcome MountedDisk::with_disk(const std::string& arguments) {
  auto outcome =
      run("BREVDUE_DISK_PROGRAM='" BREVDUE_DISK_PROGRAM "' '" BREVDUE_WITH_DISK "' " + arguments);
  if (outcome.status != 0)
    throw std::runtime_error("with-disk " + arguments + ": " + outcome.output);
  return outcome;
}

std::optional<std::string> MountedDisk::why_not(const std::string& fs) {
  if (::geteuid() != 0) return "needs root, for mount and loop devices";
  for (const char* device : {"/dev/fuse", "/dev/loop-control"}) {
    if (::access(device, R_OK | W_OK) != 0) return std::string("needs ") + device;
  }
  if (run("PATH=$PATH:/usr/sbin:/sbin command -v mkfs." + fs).status != 0) {
    return "needs mkfs." + fs;
  }
  return std::nullopt;
}

void MountedDisk::up(const std::string& fs, const std::string& options) {
  static_cast<void>(with_disk("up '" + rig_ + "' --fs " + fs + " --size 320M --sparse " + options));
}

void MountedDisk::cut(const std::string& how) {
  static_cast<void>(with_disk("cut '" + rig_ + "' " + how));
}

void MountedDisk::remount() {
  static_cast<void>(with_disk("remount '" + rig_ + "'"));
}

std::string MountedDisk::control(const std::string& command) {
  auto client = ControlClient::connect(rig_ + "/control");
  if (!client) throw std::runtime_error(describe(client.error()));
  auto answer = client->request(command);
  if (!answer) throw std::runtime_error(describe(answer.error()));
  return *answer;
}

MountedDisk::~MountedDisk() {
  const auto outcome = run("'" BREVDUE_WITH_DISK "' down '" + rig_ + "'");
  if (outcome.status != 0) std::fprintf(stderr, "%s", outcome.output.c_str());
}

}  // namespace brevdue::disk

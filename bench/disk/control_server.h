// Serves the control channel of a disk on a Unix socket, and turns SIGINT and SIGTERM into a stop.
//
// run() belongs to a thread of its own and returns after `quit`, a signal, or stop(). At most 32
// clients at a time; a 33rd waits in the backlog. The socket file is replaced when it exists and
// removed at the end. The signals must be blocked in every thread before.
#pragma once

#include <string>
#include <vector>

#include "bench/disk/disk.h"
#include "core/unique_fd.h"

namespace brevdue::disk {

class ControlServer {
 public:
  static Result<ControlServer> listen(const std::string& path, Disk& disk);
  ControlServer(ControlServer&&) = default;
  ControlServer& operator=(ControlServer&&) = delete;
  ~ControlServer();

  // An error ends it too: a disk that nobody can stop must not live on.
  Result<void> run();
  // Makes run() return; from any thread.
  void stop();

 private:
  struct Client {
    UniqueFd fd;
    std::string input;
  };
  ControlServer(std::string path, Disk& disk) : path_(std::move(path)), disk_(&disk) {}
  void accept_client();
  // False when the client is done with; sets `quit`.
  bool serve(Client& client, bool& quit);
  bool answer_lines(Client& client, bool& quit);

  std::string path_;
  Disk* disk_;
  UniqueFd listener_;
  UniqueFd signals_;
  UniqueFd stopped_;
  std::vector<Client> clients_;
};

}  // namespace brevdue::disk

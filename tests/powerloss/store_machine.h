// A machine in memory with one store on it: its power can be cut at any change of its disk, calls
// of its disk can be made to fail, and it can be started again.
//
// Cut: what was not synced is there, gone or torn, by chance. A failed sync loses what it was to
// make durable, though until the next start it still reads as if it were there: so Linux does it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "queue/store.h"
#include "tests/iouring/log_model.h"

namespace brevdue::powerloss {

struct Fault {
  std::string call;  // one of calls()
  std::uint64_t nth = 1;
  int os_error = 0;  // 0: the call ends short
  bool lasting = false;
};

class StoreMachine {
 public:
  virtual ~StoreMachine() = default;

  // A store on what is durable. The one before it has been destroyed.
  virtual std::unique_ptr<queue::Store> boot() = 0;
  virtual void arm_cut(std::uint64_t nth, std::size_t sector) = 0;
  virtual bool has_power() const = 0;
  // Takes away what is in memory only, and ends all faults; call it with no store there.
  virtual void lose_memory() = 0;

  virtual std::vector<std::string> calls() const = 0;
  virtual void plan(const Fault& fault) = 0;
  virtual bool fault_happened() const = 0;
  // Whether the failure of this call must end the store.
  virtual bool ends_store(const std::string& call) const = 0;
  virtual tests::LogModel::Shape shape() const = 0;
  // How this machine is set up, for who looks for the cause of a fault.
  virtual std::string text() const = 0;
};

// The store as this build has it: a wrong build may put another in front of it.
std::unique_ptr<queue::Store> as_built(std::unique_ptr<queue::Store> store);

// What the store of this build makes of syncs, where the machine stands in the system's place.
struct SyncHabits {
  bool leaves_out_directories = false;
  bool retries = false;  // and takes the second answer
};
SyncHabits sync_habits();

// `variant` chooses among what a backend can be set up as. Null for a backend unknown here.
std::unique_ptr<StoreMachine> make_machine(const std::string& backend, std::uint64_t variant,
                                           std::uint64_t seed);
std::unique_ptr<StoreMachine> make_log_machine(std::uint64_t variant, std::uint64_t seed);
std::unique_ptr<StoreMachine> make_lmdb_machine(std::uint64_t variant, std::uint64_t seed);
std::unique_ptr<StoreMachine> make_maildir_machine(std::uint64_t variant, std::uint64_t seed);
std::unique_ptr<StoreMachine> make_mirror_machine(std::uint64_t variant, std::uint64_t seed);

}  // namespace brevdue::powerloss

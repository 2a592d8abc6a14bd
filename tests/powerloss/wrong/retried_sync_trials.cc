// The same for brevdue-store-trials, whose machines stand in the system's place: a sync that failed
// is called again.
#include "tests/powerloss/store_machine.h"

namespace brevdue::powerloss {

SyncHabits sync_habits() {
  return {.retries = true};
}

}  // namespace brevdue::powerloss

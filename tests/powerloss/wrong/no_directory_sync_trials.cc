// The same for brevdue-store-trials, whose machines stand in the system's place: fsync of a
// directory does nothing.
#include "tests/powerloss/store_machine.h"

namespace brevdue::powerloss {

SyncHabits sync_habits() {
  return {.leaves_out_directories = true};
}

}  // namespace brevdue::powerloss

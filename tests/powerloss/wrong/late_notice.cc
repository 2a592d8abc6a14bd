// A wrong build, for brevdue-store-trials: a store that makes what a batch adds durable after what
// it removes.
#include "tests/powerloss/store_machine.h"
#include "tests/powerloss/wrong/late_notice_store.h"

namespace brevdue::powerloss {

std::unique_ptr<queue::Store> as_built(std::unique_ptr<queue::Store> store) {
  return std::make_unique<LateNoticeStore>(std::move(store));
}

}  // namespace brevdue::powerloss

// A fresh store of a named backend in a directory of its own, removed at the end.
#pragma once

#include <memory>
#include <string>

#include "queue/store.h"

namespace brevdue::bench {

class NamedStore {
 public:
  // `backend`: iouring, iouring-pwritev2, lmdb or maildir. Throws std::runtime_error.
  NamedStore(const std::string& parent, const std::string& backend);
  ~NamedStore();
  NamedStore(const NamedStore&) = delete;
  NamedStore& operator=(const NamedStore&) = delete;

  queue::Store& store() { return *store_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::unique_ptr<queue::Store> store_;
};

}  // namespace brevdue::bench

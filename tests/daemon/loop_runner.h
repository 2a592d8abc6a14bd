// Runs an io_context in a test until something is so. Nothing here depends on how long it takes:
// the patience only turns a hang into a failure.
#pragma once

#include <chrono>

#include <boost/asio/io_context.hpp>

namespace brevdue::tests {

// False if it did not become so.
template <class Condition>
bool run_until(boost::asio::io_context& loop, Condition is_so) {
  constexpr std::chrono::seconds patience{20};
  const auto give_up = std::chrono::steady_clock::now() + patience;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    loop.restart();
    loop.run_one_for(std::chrono::milliseconds(100));
  }
  return true;
}

// Runs everything that can run without waiting for a timer or for somebody else.
inline void run_all(boost::asio::io_context& loop) {
  do {
    loop.restart();
  } while (loop.poll() > 0);
}

}  // namespace brevdue::tests

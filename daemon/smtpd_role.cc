// smtpd: talks to clients. It can read no file once it runs and cannot reach the spool.
#include <stdexcept>

#include <boost/asio/steady_timer.hpp>

#include "daemon/module_options.h"
#include "daemon/queue_link.h"
#include "daemon/role.h"
#include "smtp/server_listener.h"

namespace brevdue::daemon {

int run_smtpd(const std::string& instance) {
  auto process = std::make_unique<RoleProcess>(Role::smtpd, instance);
  const smtp::ServerOptions options = server_options(process->config());
  const smtp::ListenerOptions limits{process->config().smtpd.sessions_max,
                                     process->config().smtpd.sessions_per_client_max};
  QueueLink queue(process->loop(), process->clock(), process->log());
  auto listener = std::make_unique<smtp::ServerListener>(process->loop(), options, limits, queue,
                                                         process->clock());
  process->on_attach([&](const Attach&, UniqueFd socket) { queue.attach(std::move(socket)); });
  queue.when_lost([&] { process->detached(); });
  process->on_drain([&] { listener->drain([&] { process->stop(); }); });
  // Clients wait in the backlog until there are ids to give: they see a slow greeting, no error.
  queue.when_ready([&] {
    for (std::size_t i = 0; i < process->listener_count(); ++i) {
      const int fd = first_listener_descriptor + static_cast<int>(i);
      if (auto done = listener->listen(UniqueFd(fd)); !done) {
        process->log().error(describe(done.error()));
        return process->stop();
      }
    }
    process->ready();
  });
  const int code = process->run();
  // Sessions that are still suspended are unwound with the loop, and need their Reception for it.
  listener.reset();
  queue.close();
  process.reset();
  return code;
}

}  // namespace brevdue::daemon

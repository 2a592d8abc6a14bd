// The arguments of `brevdue`. CLI11 takes seconds to compile: only this file includes it.
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <sysexits.h>

#include "cli/commands.h"
#include "config/load.h"
#include "config/nearest_name.h"
#include "daemon/role.h"

namespace {

// `brevdue role NAME INSTANCE` is how the master starts its processes; people have no use for it.
int run_role(std::string_view role, const std::string& instance) {
  if (role == "smtpd") return brevdue::daemon::run_smtpd(instance);
  if (role == "qmgr") return brevdue::daemon::run_qmgr(instance);
  if (role == "delivery") return brevdue::daemon::run_delivery(instance);
  std::fprintf(stderr, "brevdue: there is no role \"%s\"\n", std::string(role).c_str());
  return EX_USAGE;
}

struct Parsed {
  std::string config_path{brevdue::config::default_path};
  brevdue::cli::ConfArguments conf;
  brevdue::cli::QueueSelection selection;
  std::string destination;
  std::string address;
  std::string rate;
  brevdue::cli::MirrorChange mirror;
  bool json = false;
  int code = 0;
};

CLI::App* command(CLI::App& app, const std::string& name, const std::string& text, Parsed& parsed) {
  CLI::App* added = app.add_subcommand(name, text);
  added->add_option("-c,--config", parsed.config_path, "The config file")->capture_default_str();
  return added;
}

void add_selection(CLI::App* app, Parsed& parsed, bool narrowing) {
  app->add_option("ID", parsed.selection.ids, "Queue ids; - reads them from standard input");
  if (!narrowing) return;
  app->add_flag("--all", parsed.selection.all, "Every message in the queue");
  app->add_option("--destination", parsed.selection.destination,
                  "Messages with a recipient in this domain");
  app->add_option("--sender", parsed.selection.reverse_path,
                  "Messages with this reverse-path (<> for the null reverse-path)");
  app->parse_complete_callback([app, &selection = parsed.selection] {
    if (selection.ids.empty() && !selection.all && selection.destination.empty() &&
        selection.reverse_path.empty()) {
      throw CLI::RequiredError(app->get_name() + ": an ID, --all, --destination or --sender");
    }
  });
}

void add_change(CLI::App& queue, const std::string& name, const std::string& text,
                brevdue::ipc::ControlVerb verb, const std::string& past, Parsed& parsed) {
  CLI::App* change = command(queue, name, text, parsed);
  add_selection(change, parsed, true);
  change->final_callback([&parsed, verb, past] {
    parsed.code = brevdue::cli::queue_change(parsed.config_path, verb, past, parsed.selection);
  });
}

void add_verify(CLI::App& queue, Parsed& parsed) {
  CLI::App* verify =
      command(queue, "verify", "Read all that is queued from the disk and check it", parsed);
  verify->add_option("--rate", parsed.rate,
                     "Bytes read a second at most, such as 8MiB; 0: no bound");
  verify->footer(
      "Prints a line for each thing that is damaged: which message, where, what is wrong, and "
      "what\n"
      "can be done; and one at the end that sums up. Nothing is changed. Beside mail it reads "
      "16MiB\n"
      "a second unless told otherwise, and stops when it is interrupted. With Brevdue stopped it\n"
      "reads the spool itself, without bound. Exit 0: all good; 65: something is damaged.");
  verify->final_callback(
      [&parsed] { parsed.code = brevdue::cli::queue_verify(parsed.config_path, parsed.rate); });
}

void add_mirror(CLI::App& queue, Parsed& parsed) {
  using brevdue::ipc::ControlVerb;
  CLI::App* mirror = queue.add_subcommand("mirror", "The two sides of a mirrored spool");
  mirror->require_subcommand(1);
  CLI::App* status = command(*mirror, "status",
                             "What each side has; exit 0 if both have everything, else 1", parsed);
  status->add_flag("--json", parsed.json, "One JSON object a side");
  status->final_callback([&parsed] {
    parsed.code = brevdue::cli::queue_mirror_status(parsed.config_path, parsed.json);
  });
  const auto add = [&](const std::string& name, const std::string& text, ControlVerb verb) {
    CLI::App* change = command(*mirror, name, text, parsed);
    change->final_callback([&parsed, verb] {
      parsed.code = brevdue::cli::queue_mirror_change(parsed.config_path, verb, parsed.mirror);
    });
    return change;
  };
  constexpr const char* path = "The side's spool directory, as in queue.mirror.paths";
  CLI::App* resync = add("resync", "Write the side that was left anew, once its disk is well again",
                         ControlVerb::mirror_resync);
  resync->add_flag("--wait", parsed.mirror.wait, "Show how far it is, until it has everything");
  CLI::App* detach =
      add("detach", "Leave a side; mail goes on with the other one", ControlVerb::mirror_detach);
  detach->add_option("PATH", parsed.mirror.path, path)->required();
  CLI::App* attach = add("attach", "Write a side anew, also a new, empty disk in its place",
                         ControlVerb::mirror_attach);
  attach->add_option("PATH", parsed.mirror.path, path)->required();
  CLI::Option* wait =
      attach->add_flag("--wait", parsed.mirror.wait, "Show how far it is, until it has everything");
  attach
      ->add_flag("--force", parsed.mirror.force,
                 "With Brevdue stopped: what this side has counts, the other one is written anew")
      ->excludes(wait);
  attach->footer(
      "With --force mail that only the other side has is lost. It is for a side whose partner is\n"
      "lost, for two that were each used without the other, and for a spool of one backend that\n"
      "becomes the first side of a mirror.");
}

void add_queue(CLI::App& app, Parsed& parsed) {
  using brevdue::ipc::ControlVerb;
  CLI::App* queue = app.add_subcommand("queue", "Look at the queue and change what is in it");
  queue->require_subcommand(1);
  CLI::App* list = command(*queue, "list", "What is queued, as mailq prints it", parsed);
  list->add_flag("--json", parsed.json, "One JSON object a line, as postqueue -j prints it");
  list->final_callback(
      [&parsed] { parsed.code = brevdue::cli::queue_list(parsed.config_path, parsed.json); });
  CLI::App* stats = command(*queue, "stats",
                            "How much is queued, and what was committed since the start", parsed);
  stats->final_callback([&parsed] { parsed.code = brevdue::cli::queue_stats(parsed.config_path); });
  add_verify(*queue, parsed);
  add_mirror(*queue, parsed);
  CLI::App* show = command(*queue, "show", "Envelope, state and content of a message", parsed);
  add_selection(show, parsed, false);
  show->get_option("ID")->required();
  show->final_callback(
      [&parsed] { parsed.code = brevdue::cli::queue_show(parsed.config_path, parsed.selection); });
  add_change(*queue, "hold", "No attempts until released", ControlVerb::hold, "held", parsed);
  add_change(*queue, "release", "End a hold and attempt now", ControlVerb::release, "released",
             parsed);
  add_change(*queue, "retry", "Attempt now", ControlVerb::retry, "scheduled", parsed);
  add_change(*queue, "bounce", "Return to the sender with a DSN", ControlVerb::bounce, "bounced",
             parsed);
  add_change(*queue, "delete", "Forget without telling anybody", ControlVerb::discard, "deleted",
             parsed);
  CLI::App* flush = command(*queue, "flush", "Attempt all that is deferred now", parsed);
  flush->add_option("DESTINATION", parsed.selection.destination, "Only mail for this domain");
  flush->final_callback([&parsed] {
    parsed.code = brevdue::cli::queue_change(parsed.config_path, ControlVerb::flush, "scheduled",
                                             parsed.selection);
  });
}

void add_conf(CLI::App& app, Parsed& parsed) {
  CLI::App* conf = command(app, "conf", "Show the settings in force", parsed);
  conf->add_flag("-n,--changed", parsed.conf.changed, "Only those that differ from the defaults");
  conf->add_flag("-d,--defaults", parsed.conf.defaults, "The defaults");
  conf->add_flag("--docs", parsed.conf.docs, "What each setting means, its default and range");
  conf->add_option("KEY", parsed.conf.keys, "Settings or sections, such as queue.backend or queue");
  conf->final_callback(
      [&parsed] { parsed.code = brevdue::cli::conf(parsed.config_path, parsed.conf); });
}

// The first words, if they lead to no command; with what was probably meant.
std::string unknown_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  std::string words;
  for (int i = 1; i < argc && argv[i][0] != '-' && at->get_require_subcommand_min() > 0; ++i) {
    std::vector<std::string_view> names;
    const CLI::App* next = nullptr;
    for (const CLI::App* command : at->get_subcommands({})) {
      names.push_back(command->get_name());
      if (command->check_name(argv[i])) next = command;
    }
    words += (words.empty() ? "" : " ") + std::string(argv[i]);
    if (next != nullptr) {
      at = next;
      continue;
    }
    const auto meant = brevdue::config::nearest_name(argv[i], names);
    return meant ? words + "\"; did you mean \"" + std::string(*meant) : words;
  }
  return {};
}

int run(int argc, char** argv) {
  const std::string_view program = argv[0];
  const std::string_view name = program.substr(program.rfind('/') + 1);
  if (name == "sendmail") return brevdue::cli::sendmail({argv + 1, argv + argc});
  if (name == "mailq") return brevdue::cli::sendmail({"-bp"});
  if (argc >= 2 && std::string_view(argv[1]) == "sendmail") {
    return brevdue::cli::sendmail({argv + 2, argv + argc});
  }
  if (argc == 4 && std::string_view(argv[1]) == "role") return run_role(argv[2], argv[3]);
  CLI::App app("Brevdue, a mail transfer agent with a durable queue", "brevdue");
  app.require_subcommand(1);
  app.set_version_flag("--version", "brevdue 0.1.0");
  Parsed parsed;
  CLI::App* serve = command(app, "serve", "Run the mail system in the foreground", parsed);
  serve->final_callback([&] { parsed.code = brevdue::cli::serve(parsed.config_path); });
  add_conf(app, parsed);
  CLI::App* check = command(app, "check", "Check config, permissions and spool", parsed);
  check->final_callback([&] { parsed.code = brevdue::cli::check(parsed.config_path); });
  add_queue(app, parsed);
  CLI::App* route = command(app, "route", "How mail for an address would leave, and why", parsed);
  route->add_option("ADDRESS", parsed.address, "A mailbox or a domain")->required();
  route->final_callback(
      [&] { parsed.code = brevdue::cli::route(parsed.config_path, parsed.address); });
  app.add_subcommand("sendmail",
                     "The sendmail command line that scripts expect (-t, -i, -f, -bs, ...)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const std::string word = unknown_command(app, argc, argv); !word.empty()) {
      std::fprintf(stderr, "brevdue: there is no command \"%s\"\n", word.c_str());
      return EX_USAGE;
    }
    return app.exit(error) == 0 ? 0 : EX_USAGE;
  }
  return parsed.code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "brevdue: %s\n", error.what());
    return EX_SOFTWARE;
  }
}

// Writes one notification of each kind into the directory given, for a parser of another make.
#include <cstdio>
#include <fstream>

#include "tests/dsn/sample_original.h"

using namespace brevdue::mail;

static void write(const std::string& directory, const char* name, const SampleOriginal& original,
                  const std::vector<DsnRecipient>& reports) {
  QueueIdSource ids(QueueId::slot_max, brevdue::WallTime{});
  const auto dsns = make_dsns(original.request(), reports, ids);
  std::ofstream(directory + "/" + name + ".eml", std::ios::binary) << dsns.at(0).content;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make-sample-dsns DIRECTORY\n", stderr);
    return 64;
  }
  const std::string directory = argv[1];
  SampleOriginal original;
  const DsnRecipient refused{.recipient = 0,
                             .action = DsnAction::failed,
                             .reply = "550 5.1.1 User unknown\r\nin local recipient table",
                             .remote_mta = "mail.example.com[192.0.2.25]:25"};
  const DsnRecipient expired{.recipient = 1,
                             .action = DsnAction::failed,
                             .reply = "450 4.4.1 Connection timed out",
                             .expired = true};
  write(directory, "failed", original, {refused, expired});
  write(directory, "delayed", original,
        {{.recipient = 1, .action = DsnAction::delayed, .reply = "450 4.4.1 Timed out"}});
  write(directory, "relayed", original,
        {{.recipient = 3, .action = DsnAction::relayed, .reply = "250 2.0.0 Ok"}});
  original.envelope.smtputf8 = true;
  original.envelope.recipients[0].address =
      "b\xc3\xb6"
      "b@example.com";
  original.envelope.recipients[0].original_recipient = "utf-8;b\\x{F6}b@example.com";
  write(directory, "global", original, {refused});
}

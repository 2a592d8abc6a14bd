// An accepted message for the tests of notifications.
#pragma once

#include <string>

#include "mail/dsn.h"

namespace brevdue::mail {

struct SampleOriginal {
  Envelope envelope;
  std::string content =
      "From: Alice <alice@sender.example>\r\nTo: bob@example.com\r\nSubject: Hello\r\n"
      "Message-ID: <1@sender.example>\r\n\r\nHello Bob,\r\nhow are you?\r\n";

  SampleOriginal() {
    envelope.id = QueueId::make(WallTime(std::chrono::seconds(1'795'000'000)), 3);
    envelope.arrival = envelope.id.time();
    envelope.reverse_path = "alice@sender.example";
    envelope.envelope_id = "QQ314159";
    envelope.recipients = {{"bob@example.com", "rfc822;Bob+2Bx@example.com", DsnNotify::unset},
                           {"carol@example.net", "", DsnNotify::unset},
                           {"dave@example.net", "", DsnNotify::never},
                           {"erin@example.net", "", DsnNotify::success},
                           {"frank@example.net", "", DsnNotify::failure}};
    use(content);
  }
  void use(std::string text) {
    content = std::move(text);
    envelope.content = facts_of(content);
  }
  DsnRequest request() const {
    return {.original = envelope,
            .content = content,
            .hostname = "mx.brevdue.example",
            .now = envelope.arrival + std::chrono::hours(5),
            .retry_until = envelope.arrival + std::chrono::hours(120)};
  }
};

}  // namespace brevdue::mail

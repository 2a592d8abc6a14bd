// What content takes of the process's memory, whatever its size.
#include <gtest/gtest.h>

#include "smtp/limits.h"
#include "tests/dialogs/session_transport.h"

namespace brevdue::tests {

namespace {

// A client that was asked for its content, which it announced with these words.
class ContentMemory : public testing::Test {
 protected:
  void begin(const std::string& parameters) {
    ASSERT_TRUE(transport.read_line());
    transport.send("EHLO client.example\r\n");
    transport.send("MAIL FROM:<a@example.org>" + parameters + "\r\n");
    transport.send("RCPT TO:<b@example.net>\r\n");
    transport.send("DATA\r\n");
    std::string last;
    while (auto line = transport.read_line()) last = *line;
    ASSERT_EQ(last.substr(0, 4), "354 ");
  }
  // In the largest pieces that a connection reads.
  void send_content(std::size_t size) {
    std::string text;
    while (text.size() < size) text += std::string(70, 'x') + "\r\n";
    for (std::size_t at = 0; at < text.size(); at += smtp::staged_chunk_bytes) {
      transport.send(std::string_view(text).substr(at, smtp::staged_chunk_bytes));
    }
    transport.send(".\r\n");
    EXPECT_EQ(transport.read_line().value_or("").substr(0, 4), "250 ");
  }

  dialogs::SessionTransport transport{{}};
  dialogs::FakeReception& reception = transport.reception();
};

TEST_F(ContentMemory, OfWhatIsAnnouncedLargeIsThatOfSmallContent) {
  begin(" SIZE=50000000");
  EXPECT_EQ(reception.room().used(), smtp::content_memory_max);
  send_content(3'000'000);
  EXPECT_EQ(reception.room().used(), 0u);
  EXPECT_LE(reception.largest_chunk(), smtp::content_memory_max);
  EXPECT_TRUE(reception.faults().empty());
}

TEST_F(ContentMemory, OfWhatTurnsOutLargeIsThatOfSmallContent) {
  begin("");
  EXPECT_EQ(reception.room().used(), smtp::content_memory_max);
  send_content(3'000'000);
  EXPECT_EQ(reception.room().used(), 0u);
  // The one that makes it large may go beyond by what tells that it is.
  EXPECT_LE(reception.largest_chunk(), smtp::content_memory_max + 2);
  EXPECT_TRUE(reception.faults().empty());
}

}  // namespace

}  // namespace brevdue::tests

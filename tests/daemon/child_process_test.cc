// Starting a role. The child is this program again: as `brevdue role …` it says what it found.
#include "daemon/child_process.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace brevdue::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int> open_descriptors() {
  std::vector<int> found;
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return found;
  while (const dirent* entry = ::readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(directory)) found.push_back(fd);
  }
  ::closedir(directory);
  std::ranges::sort(found);
  return found;
}

std::string read_from(int fd) {
  std::string text(64 * 1024, '\0');
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

// What the child writes to the channel to its master; one fact a line.
void report(const std::vector<std::string>& arguments) {
  std::string text = "arguments";
  for (const std::string& argument : arguments) text += " " + argument;
  text += "\nopen";
  for (const int fd : open_descriptors()) text += " " + std::to_string(fd);
  text += "\nconfig " + read_from(daemon::config_descriptor);
  text += "\ngroup " + std::string(::getpgid(0) == ::getpid() ? "own" : "inherited");
  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  text += "\nterm " + std::string(sigismember(&blocked, SIGTERM) == 1 ? "blocked" : "open");
  text += std::string(" pipe ") +
          (::signal(SIGPIPE, SIG_DFL) == SIG_DFL ? "default" : "inherited") + "\n";
  if (::write(daemon::log_descriptor, "a log line\n", 11) != 11) text += "no log\n";
  if (::send(daemon::master_descriptor, text.data(), text.size(), 0) < 0) std::exit(3);
}

std::string everything_from(int socket) {
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::recv(socket, buffer, sizeof buffer, 0)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

class ChildProcess : public testing::Test {
 protected:
  std::string run(const std::vector<int>& listeners) {
    auto config = daemon::sealed_file("config", "hostname = \"mx.example\"");
    auto ends = daemon::make_socket_pair();
    EXPECT_TRUE(config && ends);
    auto pid = daemon::start_child(
        {daemon::Role::smtpd, "3/2", config->get(), ends->second.get(), log.get(), listeners});
    EXPECT_TRUE(pid);
    ends->second.reset();
    ::fcntl(ends->first.get(), F_SETFL, 0);
    const std::string text = everything_from(ends->first.get());
    int status = 0;
    EXPECT_EQ(::waitpid(*pid, &status, 0), *pid);
    EXPECT_EQ(status, 0);
    return text;
  }

  UniqueFd log{::open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)};
};

TEST_F(ChildProcess, FindsItsDescriptorsAndNothingElse) {
  // Neither close-on-exec: as if whoever started the master had left them open.
  const UniqueFd stray(::open("/dev/null", O_RDONLY));
  const UniqueFd high(::fcntl(stray.get(), F_DUPFD, 200));
  const UniqueFd listener(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::string text = run({listener.get(), listener.get()});
  EXPECT_THAT(text, HasSubstr("arguments role smtpd 3/2\n"));
  EXPECT_THAT(text, HasSubstr("\nopen 0 1 2 3 4 5 6 7\n"));
  EXPECT_THAT(text, HasSubstr("\nconfig hostname = \"mx.example\"\n"));
  EXPECT_EQ(read_from(log.get()), "a log line\n");
}

TEST_F(ChildProcess, DoesNotDependOnTheNumbersThatTheMasterHas) {
  // Sources at the very numbers that others are placed at.
  std::vector<UniqueFd> filler;
  for (int i = 0; i < 12; ++i) filler.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::string text = run({filler[3].get(), filler[1].get(), filler[0].get()});
  EXPECT_THAT(text, HasSubstr("\nopen 0 1 2 3 4 5 6 7 8\n"));
  EXPECT_THAT(text, HasSubstr("\nconfig hostname"));
}

TEST_F(ChildProcess, StartsWithFreshSignalsInAGroupOfItsOwn) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  const auto handler = ::signal(SIGPIPE, SIG_IGN);
  const std::string text = run({});
  ::signal(SIGPIPE, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_THAT(text, HasSubstr("\ngroup own\n"));
  EXPECT_THAT(text, HasSubstr("\nterm open pipe default\n"));
}

TEST(SealedFile, CannotBeChanged) {
  auto file = daemon::sealed_file("config", "text");
  ASSERT_TRUE(file);
  EXPECT_EQ(read_from(file->get()), "text");
  EXPECT_EQ(::pwrite(file->get(), "T", 1, 0), -1);
  EXPECT_EQ(::ftruncate(file->get(), 0), -1);
  EXPECT_EQ(::ftruncate(file->get(), 100), -1);
  EXPECT_EQ(::fcntl(file->get(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_NE(::fcntl(file->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(SocketPairs, AreForThisProcessOnlyAndNeverBlock) {
  auto ends = daemon::make_socket_pair();
  ASSERT_TRUE(ends);
  for (const int fd : {ends->first.get(), ends->second.get()}) {
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  }
  char byte = 0;
  EXPECT_EQ(::recv(ends->first.get(), &byte, 1, 0), -1);
}

TEST(Roles, HaveNames) {
  EXPECT_EQ(daemon::name_of(daemon::Role::smtpd), "smtpd");
  EXPECT_EQ(daemon::name_of(daemon::Role::qmgr), "qmgr");
  EXPECT_EQ(daemon::name_of(daemon::Role::delivery), "delivery");
}

}  // namespace
}  // namespace brevdue::tests

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "role") {
    brevdue::tests::report({argv + 1, argv + argc});
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// A wrong build: fsync of a directory does nothing. Takes the C library's place, liblmdb included.
#include <cstring>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" int fsync(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) return 0;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

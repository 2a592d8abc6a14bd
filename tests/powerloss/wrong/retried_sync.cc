// A wrong build: a sync that failed is called again, and the kernel, which has dropped the pages,
// says that all is well. Takes the C library's place, liblmdb included.
#include <sys/syscall.h>
#include <unistd.h>

static int twice(long number, int fd) {
  if (::syscall(number, fd) == 0) return 0;
  return static_cast<int>(::syscall(number, fd));
}

extern "C" {
int fsync(int fd) {
  return twice(SYS_fsync, fd);
}
int fdatasync(int fd) {
  return twice(SYS_fdatasync, fd);
}
int syncfs(int fd) {
  return twice(SYS_syncfs, fd);
}
}

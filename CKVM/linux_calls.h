/* What Swift's Glibc module lacks of Linux: headers, GNU declarations, function-like macros.
   No _GNU_SOURCE here: it changes fd_set, which then clashes with Foundation's in the same program. */
#ifndef CKVM_LINUX_CALLS_H
#define CKVM_LINUX_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

extern int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);
extern pid_t gettid(void);
extern int malloc_trim(size_t pad);
extern int posix_openpt(int flags);
extern int grantpt(int fd);
extern int unlockpt(int fd);
extern int ptsname_r(int fd, char *buffer, size_t length);

/* The number of a new process in this one, 0 in the new one; or -errno. For a process of one thread: another one's locks
   would stay locked in the new process. */
static inline int clinux_fork(void) {
  int process = fork();
  return process < 0 ? -errno : process;
}

/* The file actions of spawn.h that closes everything from a number on (glibc 2.34). */
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

/* The environment, a global variable that Swift does not let anybody touch. */
static inline char *const *clinux_environment(void) {
  extern char **environ;
  return environ;
}

/* A descriptor of a process, readable once that has ended; or -errno. */
static inline int clinux_pidfd_open(pid_t process) {
  long number = syscall(SYS_pidfd_open, process, 0u);
  return number < 0 ? -errno : (int)number;
}

/* Where the linker has put the program's machine code and constants. */
extern const char __executable_start[], etext[];

/* Gives back the whole pages among them; 0, or -errno. */
static inline int clinux_release_program_code(void) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t start = ((uintptr_t)__executable_start + page - 1) & ~(page - 1), end = (uintptr_t)etext & ~(page - 1);
  if (end <= start) return 0;
  return madvise((void *)start, end - start, MADV_DONTNEED) < 0 ? -errno : 0;
}

#endif

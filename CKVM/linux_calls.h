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

/* How many processors the calling thread may run on; 0 if that is unknown. */
static inline int clinux_usable_processors(void) {
  uint64_t mask[1024] = {0}; /* as many bits as the largest kernel has processors, and more */
  long length = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int count = 0;
  for (long i = 0; i < length / 8; i++) count += __builtin_popcountll(mask[i]);
  return count;
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

/* Sends bytes without waiting, a descriptor beside the first where it is not negative (SCM_RIGHTS, unix(7)). Returns how
   many have gone, or -errno. */
static inline ssize_t clinux_send(int socket, const void *bytes, size_t size, int passed) {
  struct iovec segment = {(void *)bytes, size};
  char control[CMSG_SPACE(sizeof passed)] __attribute__((aligned(8))) = {0};
  struct msghdr message = {.msg_iov = &segment, .msg_iovlen = 1};
  if (passed >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof passed);
    __builtin_memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  ssize_t count;
  do count = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

/* Receives bytes without waiting, and at most 16 descriptors beside them; the kernel closes more. Returns how many bytes
   have come, 0 at the end, or -errno. */
static inline ssize_t clinux_receive(int socket, void *room, size_t size, int passed[16], size_t *passed_count) {
  struct iovec segment = {room, size};
  char control[CMSG_SPACE(16 * sizeof *passed)] __attribute__((aligned(8)));
  struct msghdr message = {
    .msg_iov = &segment, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  *passed_count = 0;
  ssize_t count;
  do count = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t more = (header->cmsg_len - CMSG_LEN(0)) / sizeof *passed;
    for (size_t i = 0; i < more && *passed_count < 16; i++)
      __builtin_memcpy(&passed[(*passed_count)++], CMSG_DATA(header) + i * sizeof *passed, sizeof *passed);
  }
  return count;
}

#endif

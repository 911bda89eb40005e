// Subcommands that take the whole guest down and up again without a reset of the machine.
#include <errno.h>
#include <fcntl.h>
#include <linux/suspend_ioctls.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "port.h"

// What hibernation does up to the writing of its image: every device is frozen, all memory is copied, every device is
// restored. The driver cannot tell it from a real one.
int command_hibernate(int argc, char **argv) {
  (void)argc, (void)argv;
  int in_suspend = 0, snapshot = open("/dev/snapshot", O_RDONLY | O_CLOEXEC);
  if (snapshot < 0) die("/dev/snapshot");
  if (ioctl(snapshot, SNAPSHOT_FREEZE, 0) < 0) die("SNAPSHOT_FREEZE");
  if (ioctl(snapshot, SNAPSHOT_CREATE_IMAGE, &in_suspend) < 0) die("SNAPSHOT_CREATE_IMAGE");
  if (ioctl(snapshot, SNAPSHOT_FREE, 0) < 0) die("SNAPSHOT_FREE");
  if (ioctl(snapshot, SNAPSHOT_UNFREEZE, 0) < 0) die("SNAPSHOT_UNFREEZE");
  printf("%s\n", in_suspend ? "restored" : "resumed");
  return 0;
}

int command_kexec(int argc, char **argv) {
  int kernel = open(argv[0], O_RDONLY | O_CLOEXEC), initrd = open(argv[1], O_RDONLY | O_CLOEXEC);
  const char *words = argc > 2 ? argv[2] : "";
  if (kernel < 0) die(argv[0]);
  if (initrd < 0) die(argv[1]);
  if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(words) + 1, words, 0L) < 0) die("kexec_file_load");
  sync();
  reboot(RB_KEXEC);
  die("reboot");
}

// The subcommand that does for virtio ports what udev does: links /dev/virtio-ports/NAME to /dev/vportNpM. One process
// for all of the kernel's events, since a shell for each takes minutes where there are a thousand ports.
#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port.h"

enum { kernel_events = 1 };  // the netlink group

static const char links[] = "/dev/virtio-ports";
static const char class[] = "/sys/class/virtio-ports";

// The ports that have a link.
static struct linked {
  struct linked *next;
  char device[32], path[320];
} *all_linked;

// The port's name; false if it has none. (The attribute comes with the name, some time after the port.)
static bool read_name(const char *device, char *name, int size) {
  char path[320];
  snprintf(path, sizeof path, "%s/%s/name", class, device);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  bool there = fgets(name, size, file);
  fclose(file);
  if (there) name[strcspn(name, "\n")] = 0;
  return there && *name && !strchr(name, '/');
}

static void unlink_port(struct linked **at) {
  struct linked *linked = *at;
  unlink(linked->path);
  *at = linked->next;
  free(linked);
}

static void link_port(const char *device, const char *path) {
  struct linked *linked = allocate(sizeof *linked);
  char target[48];
  snprintf(linked->device, sizeof linked->device, "%s", device);
  snprintf(linked->path, sizeof linked->path, "%s", path);
  snprintf(target, sizeof target, "../%s", device);
  unlink(path);
  if (symlink(target, path) < 0) die(path);
  linked->next = all_linked;
  all_linked = linked;
}

// Makes the port's link what the port is now, which may be later than the event: a link that is right stays.
static void update(const char *device) {
  char name[256], path[320] = "";
  if (read_name(device, name, sizeof name)) snprintf(path, sizeof path, "%s/%s", links, name);
  for (struct linked **at = &all_linked; *at; at = &(*at)->next) {
    if (strcmp((*at)->device, device) != 0) continue;
    if (strcmp((*at)->path, path) == 0) return;
    unlink_port(at);
    break;
  }
  if (*path) link_port(device, path);
}

static void link_all(void) {
  DIR *ports = opendir(class);
  if (!ports) return;
  for (struct dirent *port; (port = readdir(ports));)
    if (*port->d_name != '.') update(port->d_name);
  closedir(ports);
}

// An event is a run of strings: ACTION@PATH, then KEY=VALUE.
static void handle(const char *event, const char *end) {
  const char *subsystem = "", *device = "";
  for (const char *word = event; word < end; word += strlen(word) + 1) {
    if (strncmp(word, "SUBSYSTEM=", 10) == 0) subsystem = word + 10;
    if (strncmp(word, "DEVNAME=", 8) == 0) device = word + 8;
  }
  if (strcmp(subsystem, "virtio-ports") == 0) update(device);
}

static int listen_to_kernel(void) {
  int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT), room = 16 << 20;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = kernel_events};
  if (events < 0) die("netlink");
  setsockopt(events, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (bind(events, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  return events;
}

int command_links(int argc, char **argv) {
  (void)argc, (void)argv;
  int events = listen_to_kernel();
  // The program that started this may go on: no event passes unseen from here.
  if (daemon(0, 1) < 0) die("daemon");
  link_all();
  for (char event[8192];;) {
    ssize_t count = recv(events, event, sizeof event - 1, 0);
    if (count < 0 && errno == ENOBUFS) link_all();
    else if (count < 0 && errno != EINTR) die("recv");
    if (count <= 0) continue;
    event[count] = 0;
    handle(event, event + count);
  }
}

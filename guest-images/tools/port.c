#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

void die(const char *what) {
  fprintf(stderr, "vport: %s: %s (%s)\n", what, strerrorname_np(errno), strerror(errno));
  exit(1);
}

int port_open(const char *path) {
  if (strcmp(path, "-") == 0) return STDIN_FILENO;
  int port = open(path, O_RDWR | O_CLOEXEC);
  if (port < 0) die(path);
  return port;
}

short port_poll(int port, int timeout) {
  struct pollfd entry = {.fd = port, .events = POLLIN | POLLOUT};
  int count = poll(&entry, 1, timeout);
  if (count < 0) die("poll");
  return count ? entry.revents : 0;
}

bool port_wait(int port, short events, bool present, int timeout) {
  // Level-triggered polling would spin while HUP is set; an edge comes each time the driver wakes the port's waiters.
  int edges = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
  if (edges < 0 || epoll_ctl(edges, EPOLL_CTL_ADD, port, &interest) < 0) die("epoll");
  bool reached;
  while (!(reached = ((port_poll(port, 0) & events) != 0) == present)) {
    struct epoll_event event;
    int count = epoll_wait(edges, &event, 1, timeout);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    if (count == 0) break;
  }
  close(edges);
  return reached;
}

void port_wait_for_client(int port) { port_wait(port, POLLHUP, false, 100); }

void port_write(int port, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = write(port, bytes, count);
    if (written < 0) die("write");
    bytes += written;
    count -= (size_t)written;
  }
}

uint64_t parse_size(const char *text) {
  char *end;
  errno = 0;
  uint64_t size = strtoull(text, &end, 0);
  switch (*end) {
    case 'G': size *= 1024; __attribute__((fallthrough));
    case 'M': size *= 1024; __attribute__((fallthrough));
    case 'K': size *= 1024; end++;
  }
  if (errno || end == text || *end) {
    fprintf(stderr, "vport: %s: not a number\n", text);
    exit(2);
  }
  return size;
}

void *allocate(size_t size) {
  void *memory = malloc(size ? size : 1);
  if (!memory) die("malloc");
  return memory;
}

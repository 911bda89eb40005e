// Subcommands that look at a port's state.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "port.h"

static const struct {
  short event;
  const char *name;
} event_names[] = {{POLLIN, "IN"}, {POLLOUT, "OUT"}, {POLLHUP, "HUP"}, {POLLERR, "ERR"}, {POLLNVAL, "NVAL"}};

static void print_events(short events) {
  const char *space = "";
  for (size_t i = 0; i < sizeof event_names / sizeof *event_names; i++) {
    if (!(events & event_names[i].event)) continue;
    printf("%s%s", space, event_names[i].name);
    space = " ";
  }
  printf("\n");
}

int command_poll(int argc, char **argv) {
  int timeout = argc > 1 ? (int)parse_size(argv[1]) : 0;
  print_events(port_poll(port_open(argv[0]), timeout));
  return 0;
}

int command_wait(int argc, char **argv) {
  int port = port_open(argv[0]);
  const char *what = argc > 1 ? argv[1] : "host";
  int timeout = argc > 2 ? (int)parse_size(argv[2]) : -1;
  bool reached;
  if (strcmp(what, "host") == 0) reached = port_wait(port, POLLHUP, false, timeout);
  else if (strcmp(what, "hup") == 0) reached = port_wait(port, POLLHUP, true, timeout);
  else if (strcmp(what, "in") == 0) reached = port_wait(port, POLLIN, true, timeout);
  else if (strcmp(what, "out") == 0) reached = port_wait(port, POLLOUT, true, timeout);
  else {
    fprintf(stderr, "vport: wait: host, hup, in or out, not %s\n", what);
    return 2;
  }
  print_events(port_poll(port, 0));
  return reached ? 0 : 1;
}

int command_clients(int argc, char **argv) {
  (void)argc;
  int port = port_open(argv[0]);
  bool polls = strcmp(argv[1], "poll") == 0, is_served = false;
  uint64_t wanted = parse_size(argv[2]), departures = 0, lines = 0;
  if (polls && fcntl(port, F_SETFL, O_NONBLOCK) < 0) die("fcntl");
  while (lines < wanted || is_served) {
    struct pollfd entry = {.fd = port, .events = POLLIN};
    if (polls && poll(&entry, 1, -1) < 0) die("poll");
    char bytes[256];
    ssize_t count = read(port, bytes, sizeof bytes);
    if (count < 0 && errno != EAGAIN) die("read");
    for (ssize_t i = 0; i < count; i++) lines += bytes[i] == '\n';
    if (count > 0) is_served = true;
    if (count != 0) continue;
    // No host. Nothing tells a reader when one is there again, and polls of a port without one return at once.
    departures += is_served;
    is_served = false;
    usleep(1000);
  }
  printf("clients %llu lines %llu\n", (unsigned long long)departures, (unsigned long long)lines);
  return 0;
}

int command_open(int argc, char **argv) {
  (void)argc;
  int port = open(argv[0], O_RDWR | O_CLOEXEC);
  printf("%s\n", port < 0 ? strerrorname_np(errno) : "open");
  return port < 0 ? 1 : 0;
}

int command_hold(int argc, char **argv) {
  port_open(argv[0]);
  printf("open\n");
  fflush(stdout);
  if (argc > 1) sleep((unsigned)parse_size(argv[1]));
  else pause();
  return 0;
}

int command_seek(int argc, char **argv) {
  (void)argc;
  printf("%s\n", lseek(port_open(argv[0]), 0, SEEK_SET) < 0 ? strerrorname_np(errno) : "moved");
  return 0;
}

int command_signals(int argc, char **argv) {
  int port = port_open(argv[0]);
  (void)argc;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGIO);
  if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0) die("sigprocmask");
  if (fcntl(port, F_SETOWN, getpid()) < 0 || fcntl(port, F_SETFL, O_ASYNC | O_NONBLOCK) < 0) die("fcntl");
  setlinebuf(stdout);
  printf("ready ");
  print_events(port_poll(port, 0));
  while (sigwaitinfo(&signals, NULL) == SIGIO) {
    short events = port_poll(port, 0);
    printf("SIGIO ");
    print_events(events);
    char bytes[256];
    ssize_t count = events & POLLIN ? read(port, bytes, sizeof bytes) : 0;
    if (count > 0) printf("read %.*s\n", (int)count, bytes);
  }
  die("sigwaitinfo");
}

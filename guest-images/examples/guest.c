// guest: a program in the guest that talks to the host through a virtio-serial port. It answers each line, for one client
// after the other.
//
//   cc -o guest guest.c && ./guest /dev/virtio-ports/org.fedoraproject.port.0
//
// A port is a file that one program at a time can have open. poll(2) says whether the host is there (no POLLHUP),
// whether there are bytes to read (POLLIN) and room for bytes to write (POLLOUT). With O_ASYNC the driver sends SIGIO
// whenever one of those may have changed.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { longest_line = 4096 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static short poll_port(int port, short events, int timeout) {
  struct pollfd entry = {.fd = port, .events = events};
  if (poll(&entry, 1, timeout) < 0 && errno != EINTR) fail("poll");
  return entry.revents;
}

// What there is of the port now. Linux learns of a client by one way and of its bytes by another, and may report the
// bytes first. So bytes without a client are a new client's, which is reported in a moment.
static short look(int port, bool connected) {
  short events = poll_port(port, POLLIN, 0);
  for (int tries = 0; tries < 10 && !connected && events == (POLLIN | POLLHUP); tries++) {
    usleep(10000);
    events = poll_port(port, POLLIN, 0);
  }
  return events;
}

// Writes all of it, or as much as the host waits for.
static void answer(int port, const char *text, size_t count) {
  while (count > 0 && !(poll_port(port, POLLOUT, -1) & POLLHUP)) {
    ssize_t written = write(port, text, count);
    if (written < 0 && errno != EAGAIN) fail("write");
    if (written <= 0) continue;
    text += written;
    count -= (size_t)written;
  }
}

struct line {
  char text[longest_line];
  size_t length;
};

// Reads what there is and answers each line that is complete.
static void serve(int port, struct line *line) {
  char text[longest_line + 32];
  ssize_t count;
  while ((count = read(port, line->text + line->length, 1)) > 0) {
    if (line->text[line->length] != '\n' && line->length < sizeof line->text - 1) {
      line->length++;
      continue;
    }
    int size = snprintf(text, sizeof text, "you said: %.*s\n", (int)line->length, line->text);
    printf("received: %.*s\n", (int)line->length, line->text);
    line->length = 0;
    answer(port, text, (size_t)size);
  }
  // 0: the host is not there. EAGAIN: it is, and has no more to say.
  if (count < 0 && errno != EAGAIN) fail("read");
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: guest PORT\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  int port = open(argv[1], O_RDWR | O_NONBLOCK);
  if (port < 0) fail(argv[1]);

  // Blocked, the signal waits for sigwaitinfo: none is missed between one look at the port and the next.
  sigset_t changes;
  sigemptyset(&changes);
  sigaddset(&changes, SIGIO);
  sigprocmask(SIG_BLOCK, &changes, NULL);
  if (fcntl(port, F_SETOWN, getpid()) < 0 || fcntl(port, F_SETFL, O_NONBLOCK | O_ASYNC) < 0) fail("fcntl");

  struct line line = {.length = 0};
  for (bool connected = false;;) {
    short events = look(port, connected);
    bool now = !(events & POLLHUP);
    if (now != connected) printf(now ? "the host is there\n" : "the host has gone\n");
    connected = now;
    if (events & POLLIN) serve(port, &line);
    // The next one begins a line of its own.
    if (!now) line.length = 0;
    if (sigwaitinfo(&changes, NULL) < 0 && errno != EINTR) fail("sigwaitinfo");
  }
}

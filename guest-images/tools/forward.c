// The subcommands that tie ports together.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "port.h"

enum { most_sinks = 32 };

int command_forward(int argc, char **argv) {
  uint64_t total = parse_size(argv[0]), done = 0;
  size_t chunk = parse_size(argv[1]);
  int source = port_open(argv[2]), sinks[most_sinks], count = 0;
  uint8_t *buffer = allocate(chunk);
  for (int i = 3; i < argc && count < most_sinks; i++) sinks[count++] = port_open(argv[i]);
  while (done < total) {
    ssize_t got = read(source, buffer, chunk < total - done ? chunk : total - done);
    if (got < 0) die("read");
    if (got == 0) port_wait_for_client(source);
    for (int i = 0; i < count; i++) port_write(sinks[i], buffer, (size_t)got);
    done += (uint64_t)got;
  }
  printf("forwarded %llu\n", (unsigned long long)done);
  return 0;
}

// The port's path, opened again as soon as it leads to a port that is there.
static int open_again(int port, const char *path) {
  close(port);
  while ((port = open(path, O_RDWR | O_CLOEXEC)) < 0) usleep(10000);
  return port;
}

int command_relay(int argc, char **argv) {
  size_t chunk = argc > 2 ? parse_size(argv[2]) : 4096;
  int source = port_open(argv[0]), sink = port_open(argv[1]);
  uint8_t *buffer = allocate(chunk);
  for (;;) {
    ssize_t got = read(source, buffer, chunk), done = 0;
    if (got < 0 && errno != ENODEV) die("read");
    if (got < 0) source = open_again(source, argv[0]);
    // No host: a wait for one would not end where the port is unplugged.
    if (got == 0) usleep(10000);
    while (done < got) {
      ssize_t written = write(sink, buffer + done, (size_t)(got - done));
      if (written < 0 && errno != ENODEV) die("write");
      if (written < 0) sink = open_again(sink, argv[1]);
      else done += written;
    }
  }
}

// The subcommand that ties ports together.
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
    if (got == 0) port_wait(source, POLLHUP, false, -1);
    for (int i = 0; i < count; i++) port_write(sinks[i], buffer, (size_t)got);
    done += (uint64_t)got;
  }
  printf("forwarded %llu\n", (unsigned long long)done);
  return 0;
}

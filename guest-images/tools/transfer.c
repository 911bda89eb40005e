// Subcommands that move bytes.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"
#include "port.h"
#include "sha256.h"

// The driver cuts longer writes to this length.
enum { default_chunk = 32768 };

static size_t smaller(size_t a, uint64_t b) { return b < a ? (size_t)b : a; }

static size_t chunk_argument(int argc, char **argv, int index) {
  size_t chunk = argc > index ? parse_size(argv[index]) : default_chunk;
  return chunk ? chunk : default_chunk;
}

static void report(const char *verb, uint64_t count, struct sha256 *hash) {
  char hex[65];
  sha256_hex(hash, hex);
  printf("%s %llu sha256 %s\n", verb, (unsigned long long)count, hex);
  fflush(stdout);
}

static void send_pattern(int port, uint64_t total, uint64_t seed, size_t chunk) {
  uint8_t *buffer = allocate(chunk);
  struct pattern pattern;
  struct sha256 hash;
  pattern_start(&pattern, seed);
  sha256_start(&hash);
  for (uint64_t left = total; left > 0;) {
    size_t count = smaller(chunk, left);
    pattern_fill(&pattern, buffer, count);
    sha256_add(&hash, buffer, count);
    port_write(port, buffer, count);
    left -= count;
  }
  report("sent", total, &hash);
}

// Reads until `total` bytes have come, or the host hangs up (unless it may come back). Returns whether all came.
static bool receive(int port, uint64_t total, size_t chunk, bool may_come_back) {
  uint8_t *buffer = allocate(chunk);
  struct sha256 hash;
  uint64_t left = total;
  sha256_start(&hash);
  while (left > 0) {
    ssize_t count = read(port, buffer, smaller(chunk, left));
    if (count < 0) die("read");
    if (count == 0 && !may_come_back) break;
    if (count == 0) port_wait_for_client(port);
    sha256_add(&hash, buffer, (size_t)count);
    left -= (uint64_t)count;
  }
  report("received", total - left, &hash);
  return left == 0;
}

int command_send(int argc, char **argv) {
  send_pattern(port_open(argv[0]), parse_size(argv[1]), parse_size(argv[2]), chunk_argument(argc, argv, 3));
  return 0;
}

int command_recv(int argc, char **argv) {
  return receive(port_open(argv[0]), parse_size(argv[1]), chunk_argument(argc, argv, 2), false) ? 0 : 1;
}

int command_collect(int argc, char **argv) {
  return receive(port_open(argv[0]), parse_size(argv[1]), chunk_argument(argc, argv, 2), true) ? 0 : 1;
}

int command_duplex(int argc, char **argv) {
  int port = port_open(argv[0]), status = 0;
  uint64_t total = parse_size(argv[1]), seed = parse_size(argv[2]);
  size_t chunk = chunk_argument(argc, argv, 3);
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) exit(receive(port, total, chunk, false) ? 0 : 1);
  send_pattern(port, total, seed, chunk);
  if (waitpid(child, &status, 0) < 0) die("waitpid");
  return status ? 1 : 0;
}

int command_echo(int argc, char **argv) {
  int port = port_open(argv[0]);
  uint64_t total = argc > 1 ? parse_size(argv[1]) : UINT64_MAX, echoed = 0;
  uint8_t *buffer = allocate(default_chunk);
  while (echoed < total) {
    ssize_t count = read(port, buffer, smaller(default_chunk, total - echoed));
    if (count < 0) die("read");
    if (count == 0) port_wait_for_client(port);
    port_write(port, buffer, (size_t)count);
    echoed += (uint64_t)count;
  }
  printf("echoed %llu\n", (unsigned long long)echoed);
  return 0;
}

static void set_nonblocking(int port) {
  if (fcntl(port, F_SETFL, fcntl(port, F_GETFL) | O_NONBLOCK) < 0) die("fcntl");
}

int command_write_nonblock(int argc, char **argv) {
  int port = port_open(argv[0]);
  uint64_t total = parse_size(argv[1]), done = 0;
  size_t chunk = chunk_argument(argc, argv, 2);
  uint8_t *buffer = allocate(chunk);
  struct pattern pattern;
  const char *outcome = "";
  set_nonblocking(port);
  pattern_start(&pattern, 1);
  while (done < total && !*outcome) {
    size_t count = smaller(chunk, total - done), at = 0;
    pattern_fill(&pattern, buffer, count);
    while (at < count && !*outcome) {
      ssize_t written = write(port, buffer + at, count - at);
      if (written < 0) outcome = strerrorname_np(errno);
      else at += (size_t)written;
    }
    done += at;
  }
  printf("wrote %llu %s\n", (unsigned long long)done, *outcome ? outcome : "all");
  return 0;
}

int command_read_nonblock(int argc, char **argv) {
  int port = port_open(argv[0]);
  size_t chunk = chunk_argument(argc, argv, 1);
  uint8_t *buffer = allocate(chunk);
  set_nonblocking(port);
  ssize_t count = read(port, buffer, chunk);
  if (count < 0) printf("%s\n", strerrorname_np(errno));
  else printf("read %zd\n", count);
  return 0;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int bench(char **argv, int argc, bool sending) {
  int port = port_open(argv[0]);
  uint64_t total = parse_size(argv[1]), left = total;
  size_t chunk = chunk_argument(argc, argv, 2);
  uint8_t *buffer = allocate(chunk);
  struct pattern pattern;
  pattern_start(&pattern, 1);
  pattern_fill(&pattern, buffer, chunk);
  // Receiving is timed from the first bytes on: the host may start late.
  double start = now();
  while (left > 0) {
    size_t most = smaller(chunk, left);
    ssize_t count = sending ? write(port, buffer, most) : read(port, buffer, most);
    if (count < 0) die(sending ? "write" : "read");
    if (count == 0) break;
    if (!sending && left == total) start = now();
    left -= (uint64_t)count;
  }
  double seconds = now() - start;
  uint64_t done = total - left;
  printf("%s %llu bytes in %.3f s: %.1f MB/s\n", sending ? "sent" : "received", (unsigned long long)done, seconds,
         seconds > 0 ? (double)done / seconds / 1e6 : 0);
  return left == 0 ? 0 : 1;
}

int command_bench_send(int argc, char **argv) { return bench(argv, argc, true); }
int command_bench_recv(int argc, char **argv) { return bench(argv, argc, false); }

/* The host's end of the ports: as fast as a simple client can be. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { READ_BYTES = 256 << 10, WRITE_BYTES = 64 << 10, SAMPLES = 20000, MESSAGE_BYTES = 16 };
static const int64_t warm_up = SECOND * 15 / 100, duration = SECOND / 2;

static char buffer[READ_BYTES];

static ssize_t move(int client, int sending) {
  return sending ? send(client, buffer, WRITE_BYTES, MSG_NOSIGNAL) : recv(client, buffer, READ_BYTES, 0);
}

/* Moves bytes for so long; the count, or -1. */
static int64_t move_on_one(int client, int sending, int64_t length) {
  int64_t total = 0;
  for (int64_t end = now() + length; now() < end;) {
    ssize_t count = move(client, sending);
    if (count <= 0) return -1;
    total += count;
  }
  return total;
}

static int64_t move_on_all(int poller, int sending, int64_t length) {
  int64_t total = 0;
  struct epoll_event ready[64];
  for (int64_t end = now() + length; now() < end;) {
    int events = epoll_wait(poller, ready, 64, 5000);
    if (events <= 0) return -1;
    for (int i = 0; i < events; i++) {
      ssize_t count = move(ready[i].data.fd, sending);
      if (count == 0 || (count < 0 && errno != EAGAIN)) return -1;
      if (count > 0) total += count;
    }
  }
  return total;
}

static int watch_all(const struct vm *vm, int sending) {
  int poller = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < vm->load.ports; i++) {
    struct epoll_event event = {.events = sending ? EPOLLOUT : EPOLLIN, .data.fd = vm->clients[i]};
    fcntl(vm->clients[i], F_SETFL, O_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, vm->clients[i], &event);
  }
  return poller;
}

int measure_stream(struct vm *vm, struct traffic *traffic) {
  int sending = strcmp(vm->load.mode, "receive") == 0, many = vm->load.ports > 1;
  int at = many ? watch_all(vm, sending) : vm->clients[0];
  int64_t (*run)(int, int, int64_t) = many ? move_on_all : move_on_one;
  int64_t bytes = run(at, sending, warm_up), start = now();
  double cpu = process_cpu_seconds(vm->pid);
  if (bytes >= 0) bytes = run(at, sending, duration);
  cpu = process_cpu_seconds(vm->pid) - cpu;
  double seconds = (double)(now() - start) / SECOND;
  if (many) close(at);
  if (bytes <= 0) return vm_failed(vm, "no bytes for 5 s");
  traffic->megabytes_per_second = (double)bytes / 1e6 / seconds;
  traffic->cpu_seconds_per_gib = cpu / ((double)bytes / (1 << 30));
  return 0;
}

static int round_trip(int client) {
  if (send(client, buffer, MESSAGE_BYTES, MSG_NOSIGNAL) != MESSAGE_BYTES) return -1;
  for (ssize_t left = MESSAGE_BYTES, count; left > 0; left -= count)
    if ((count = recv(client, buffer, (size_t)left, 0)) <= 0) return -1;
  return 0;
}

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

int measure_echo(struct vm *vm, struct latency *latency) {
  static double samples[SAMPLES];
  int count = 0;
  for (int i = 0; i < 200; i++)
    if (round_trip(vm->clients[0])) return vm_failed(vm, "no echo for 5 s");
  int64_t end = now() + SECOND;
  for (int64_t start = now(), finish; count < SAMPLES && start < end; start = finish) {
    if (round_trip(vm->clients[0])) return vm_failed(vm, "no echo for 5 s");
    finish = now();
    samples[count++] = (double)(finish - start) / 1000;
  }
  qsort(samples, (size_t)count, sizeof *samples, compare);
  latency->p50 = samples[count / 2];
  latency->p99 = samples[(int64_t)count * 99 / 100];
  latency->p999 = samples[(int64_t)count * 999 / 1000];
  return 0;
}

int measure_first_byte(struct vm *vm, int descriptor, double *milliseconds) {
  struct pollfd ready = {descriptor, POLLIN, 0};
  char byte;
  if (poll(&ready, 1, 10000) != 1 || read(descriptor, &byte, 1) != 1) return vm_failed(vm, "no first byte in 10 s");
  *milliseconds = (double)(now() - vm->started) / 1e6;
  return 0;
}

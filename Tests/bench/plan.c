/* What is run in which order. Within a round the subjects take turns at each measurement, and who begins changes from
   round to round, so that a machine with other work to do treats them alike. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"

enum { MANY_PORTS = 511, IDLE_SECONDS = 10 };

static const struct {
  const char *id;
  struct load load;
} streams[] = {
    {"out-64", {"send", 1, 64, 1, 128}},          {"out-4k", {"send", 1, 4096, 1, 128}},
    {"out-64k", {"send", 1, 65536, 1, 32}},       {"out-chain", {"send", 1, 4096, 16, 32}},
    {"in-64", {"receive", 1, 64, 1, 128}},        {"in-4k", {"receive", 1, 4096, 1, 128}},
    {"in-64k", {"receive", 1, 65536, 1, 32}},     {"in-chain", {"receive", 1, 4096, 16, 32}},
    {"out-64-30", {"send", 30, 64, 1, 128}},      {"out-4k-30", {"send", 30, 4096, 1, 128}},
    {"out-64k-30", {"send", 30, 65536, 1, 32}},   {"out-chain-30", {"send", 30, 4096, 16, 32}},
    {"in-64-30", {"receive", 30, 64, 1, 128}},    {"in-4k-30", {"receive", 30, 4096, 1, 128}},
    {"in-64k-30", {"receive", 30, 65536, 1, 32}}, {"in-chain-30", {"receive", 30, 4096, 16, 32}},
};

static int failures;

static int is_wanted(const char *id) { return !settings.only || strstr(id, settings.only); }

static int is_there(enum subject subject) {
  const char *const programs[SUBJECTS] = {settings.swiftvm, settings.earlier, settings.qemu, "this one"};
  return programs[subject] != NULL;
}

static void stream(const char *id, struct load load, enum subject subject, int round) {
  struct vm vm;
  struct traffic traffic;
  char cpu[64];
  if (vm_start(&vm, subject, load)) exit(1);
  if (vm_connect(&vm) == 0 && measure_stream(&vm, &traffic) == 0) {
    snprintf(cpu, sizeof cpu, "cpu-%s", id);
    record(id, subject, round, traffic.megabytes_per_second);
    record(cpu, subject, round, traffic.cpu_seconds_per_gib);
    if (strcmp(id, "in-4k-30") == 0 && subject != PLAIN)
      record("memory-load", subject, round, process_overhead(vm.pid));
  } else {
    failures++;
  }
  vm_stop(&vm);
}

static void echo(const char *id, int ports, enum subject subject, int round) {
  struct vm vm;
  struct latency latency;
  char name[64];
  if (vm_start(&vm, subject, (struct load){"echo", ports, 4096, 1, 32})) exit(1);
  if (vm_connect(&vm) == 0 && measure_echo(&vm, &latency) == 0) {
    const struct {
      const char *suffix;
      double value;
    } values[] = {{"p50", latency.p50}, {"p99", latency.p99}, {"p999", latency.p999}};
    for (int i = 0; i < 3; i++) {
      snprintf(name, sizeof name, "%s-%s", id, values[i].suffix);
      record(name, subject, round, values[i].value);
    }
  } else {
    failures++;
  }
  vm_stop(&vm);
}

static void start(enum subject subject, int round) {
  struct vm vm;
  double console, port;
  if (vm_start(&vm, subject, (struct load){"first", 1, 64, 1, 1})) exit(1);
  int failed = vm_connect(&vm) || measure_first_byte(&vm, vm.clients[0], &port);
  vm_stop(&vm);
  if (!failed) record("start-port", subject, round, port);
  /* Another start, since only one descriptor can be waited for at once, and a client makes work. */
  if (vm_start(&vm, subject, (struct load){"first", 1, 64, 1, 1})) exit(1);
  failed |= measure_first_byte(&vm, vm.console, &console);
  sleep_ns(SECOND / 50); /* swiftvm tells its timings at an orderly end only */
  vm_stop(&vm);
  if (!failed) record("start-byte", subject, round, console);
  if (is_swiftvm(subject) && vm_first_run(&vm) >= 0) record("start-run", subject, round, vm_first_run(&vm));
  failures += failed;
}

/* All at once: they do nothing. */
static void idle(int round) {
  struct vm vm[SUBJECTS];
  long before[SUBJECTS] = {0};
  for (enum subject subject = SWIFTVM; subject <= QEMU; subject++) {
    if (!is_there(subject)) continue;
    if (vm_start(&vm[subject], subject, (struct load){"idle", 1, 64, 1, 1})) exit(1);
    failures += vm_connect(&vm[subject]) != 0;
  }
  sleep_ns(2 * SECOND);
  for (enum subject subject = SWIFTVM; subject <= QEMU; subject++)
    if (is_there(subject)) before[subject] = process_wakeups(vm[subject].pid);
  sleep_ns(IDLE_SECONDS * SECOND);
  for (enum subject subject = SWIFTVM; subject <= QEMU; subject++) {
    if (!is_there(subject)) continue;
    record("wakeups", subject, round, (double)(process_wakeups(vm[subject].pid) - before[subject]));
    record("memory-idle", subject, round, process_overhead(vm[subject].pid));
    record("memory-all", subject, round, process_memory(vm[subject].pid));
    vm_stop(&vm[subject]);
  }
}

/* The same without large pages, which take up memory in steps of 2 MiB. */
static void idle_small(enum subject subject, int round) {
  struct vm vm;
  if (!is_there(subject)) return;
  settings.small_pages = 1;
  if (vm_start(&vm, subject, (struct load){"idle", 1, 64, 1, 1})) exit(1);
  settings.small_pages = 0;
  failures += vm_connect(&vm) != 0;
  sleep_ns(2 * SECOND);
  record("memory-idle-small", subject, round, process_overhead(vm.pid));
  record("memory-all-small", subject, round, process_memory(vm.pid));
  vm_stop(&vm);
}

static void run_round(int round) {
  for (int turn = 0; turn < SUBJECTS; turn++) {
    enum subject subject = (enum subject)((turn + round) % SUBJECTS);
    if (!is_there(subject)) continue;
    if (is_wanted("start") && subject != PLAIN) start(subject, round);
    if (is_wanted("echo")) echo("echo", 1, subject, round);
    /* More than a device of QEMU's may have. */
    if (is_wanted("echo-many") && is_swiftvm(subject)) echo("echo-many", MANY_PORTS, subject, round);
  }
  for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
    for (int turn = 0; turn < SUBJECTS && is_wanted(streams[i].id); turn++) {
      enum subject subject = (enum subject)((turn + round) % SUBJECTS);
      if (is_there(subject)) stream(streams[i].id, streams[i].load, subject, round);
    }
  if (round == 0 && is_wanted("idle")) {
    idle(round);
    idle_small(SWIFTVM, round);
    idle_small(EARLIER, round);
  }
}

int run_rounds(void) {
  for (int round = 0; round < settings.rounds; round++) {
    fprintf(stderr, "==> round %d of %d\n", round + 1, settings.rounds);
    run_round(round);
  }
  return failures ? -1 : 0;
}

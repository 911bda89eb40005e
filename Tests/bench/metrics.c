/* See bench.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define STREAM(id, what, qemu, plain) {id, what, "MB/s", 0, 0, qemu, plain, 0, 0, 0}
#define CPU(id, what, qemu) {"cpu-" id, "CPU, " what, "s/GiB", 3, 1, qemu, 0, 0, 0, 0}

const struct metric metrics[] = {
    STREAM("out-64", "guest→host, 64 B", 5, 0),
    STREAM("out-4k", "guest→host, 4 KiB", 3, 0),
    STREAM("out-64k", "guest→host, 64 KiB", 1.15, 0.85),
    STREAM("out-chain", "guest→host, chains of 16 × 4 KiB", 3, 0),
    STREAM("in-64", "host→guest, 64 B", 1.5, 0),
    STREAM("in-4k", "host→guest, 4 KiB", 5, 0.7),
    STREAM("in-64k", "host→guest, 64 KiB", 5, 0.7),
    STREAM("in-chain", "host→guest, chains of 16 × 4 KiB", 0, 0),
    STREAM("out-64-30", "guest→host, 64 B, 30 ports", 0, 0),
    STREAM("out-4k-30", "guest→host, 4 KiB, 30 ports", 0, 0),
    STREAM("out-64k-30", "guest→host, 64 KiB, 30 ports", 0, 0),
    STREAM("out-chain-30", "guest→host, chains of 16 × 4 KiB, 30 ports", 0, 0),
    STREAM("in-64-30", "host→guest, 64 B, 30 ports", 0, 0),
    STREAM("in-4k-30", "host→guest, 4 KiB, 30 ports", 0, 0),
    STREAM("in-64k-30", "host→guest, 64 KiB, 30 ports", 0, 0),
    STREAM("in-chain-30", "host→guest, chains of 16 × 4 KiB, 30 ports", 0, 0),
    {"echo-p50", "echo round trip, p50", "µs", 1, 1, 0.6, 0, 0, 0, 0},
    {"echo-p99", "echo round trip, p99", "µs", 1, 1, 0.8, 0, 0, 0, 0},
    {"echo-p999", "echo round trip, p99.9", "µs", 1, 1, 0, 0, 0, 0, 0},
    {"echo-many-p50", "echo with 511 ports open, p50", "µs", 1, 1, 0, 0, "echo-p50", 1.1, 0},
    {"echo-many-p99", "echo with 511 ports open, p99", "µs", 1, 1, 0, 0, "echo-p99", 1.1, 0},
    {"echo-many-p999", "echo with 511 ports open, p99.9", "µs", 1, 1, 0, 0, 0, 0, 0},
    CPU("out-64k", "guest→host, 64 KiB", 0.6),
    CPU("in-64k", "host→guest, 64 KiB", 0.6),
    CPU("out-64", "guest→host, 64 B", 0),
    CPU("out-4k", "guest→host, 4 KiB", 0),
    CPU("out-chain", "guest→host, chains of 16 × 4 KiB", 0),
    CPU("in-64", "host→guest, 64 B", 0),
    CPU("in-4k", "host→guest, 4 KiB", 0),
    CPU("in-chain", "host→guest, chains of 16 × 4 KiB", 0),
    CPU("out-64-30", "guest→host, 64 B, 30 ports", 0),
    CPU("out-4k-30", "guest→host, 4 KiB, 30 ports", 0),
    CPU("out-64k-30", "guest→host, 64 KiB, 30 ports", 0),
    CPU("out-chain-30", "guest→host, chains of 16 × 4 KiB, 30 ports", 0),
    CPU("in-64-30", "host→guest, 64 B, 30 ports", 0),
    CPU("in-4k-30", "host→guest, 4 KiB, 30 ports", 0),
    CPU("in-64k-30", "host→guest, 64 KiB, 30 ports", 0),
    CPU("in-chain-30", "host→guest, chains of 16 × 4 KiB, 30 ports", 0),
    {"start-run", "start → first KVM_RUN", "ms", 1, 1, 0, 0, 0, 0, 5},
    {"start-byte", "start → first guest byte (COM1)", "ms", 1, 1, 0.2, 0, 0, 0, 0},
    {"start-port", "start → first byte through a port", "ms", 1, 1, 0, 0, 0, 0, 0},
    {"memory-idle", "memory beyond the guest's, idle", "MiB", 1, 1, 0, 0, 0, 0, 5},
    {"memory-idle-small", "the same, --huge-pages off", "MiB", 1, 1, 0, 0, 0, 0, 5},
    {"memory-all", "memory of an idle VM, what its guest uses included", "MiB", 1, 1, 0, 0, 0, 0, 0},
    {"memory-all-small", "the same, --huge-pages off", "MiB", 1, 1, 0, 0, 0, 0, 0},
    {"memory-load", "memory beyond the guest's, 30 ports at work", "MiB", 1, 1, 0, 0, 0, 0, 5},
    {"wakeups", "wake-ups of an idle VM in 10 s", "", 0, 1, 0, 0, 0, 0, 0.5},
};
enum { METRICS = sizeof metrics / sizeof *metrics };
const int metric_count = METRICS;

/* NaN where there is none. */
static double samples[METRICS][SUBJECTS][MAX_ROUNDS];
static int is_prepared;

static void prepare(void) {
  if (is_prepared) return;
  is_prepared = 1;
  double *all = &samples[0][0][0];
  for (size_t i = 0; i < sizeof samples / sizeof *all; i++) all[i] = NAN;
}

int metric_index(const char *id) {
  for (int i = 0; i < METRICS; i++)
    if (strcmp(metrics[i].id, id) == 0) return i;
  fprintf(stderr, "bench: no metric is called %s\n", id);
  abort();
}

void record(const char *id, enum subject subject, int round, double value) {
  prepare();
  samples[metric_index(id)][subject][round] = value;
}

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static struct summary of(double *values, int count) {
  if (!count) return (struct summary){0};
  qsort(values, (size_t)count, sizeof *values, compare);
  double median = (values[(count - 1) / 2] + values[count / 2]) / 2;
  return (struct summary){count, median, values[0], values[count - 1]};
}

struct summary summarize(int metric, enum subject subject) {
  double values[MAX_ROUNDS];
  int count = 0;
  prepare();
  for (int round = 0; round < settings.rounds; round++)
    if (!isnan(samples[metric][subject][round])) values[count++] = samples[metric][subject][round];
  return of(values, count);
}

struct summary summarize_ratio(int metric, enum subject a, int other, enum subject b) {
  double values[MAX_ROUNDS];
  int count = 0;
  prepare();
  for (int round = 0; round < settings.rounds; round++) {
    double ratio = samples[metric][a][round] / samples[other][b][round];
    if (isfinite(ratio)) values[count++] = ratio;
  }
  return of(values, count);
}

static int is_reached(const struct metric *metric, struct summary value, double goal) {
  return metric->lower_is_better ? value.median <= goal : value.median >= goal;
}

int goal_reached(int index) {
  const struct metric *metric = &metrics[index];
  struct summary own = summarize(index, SWIFTVM), qemu = summarize_ratio(index, SWIFTVM, index, QEMU),
                 plain = summarize_ratio(index, SWIFTVM, index, PLAIN), base = {0};
  if (metric->base) base = summarize_ratio(index, SWIFTVM, metric_index(metric->base), SWIFTVM);
  const struct {
    double goal;
    struct summary value;
  } goals[] = {{metric->versus_qemu, qemu}, {metric->versus_plain, plain}, {metric->versus_base, base}, {metric->bound, own}};
  int judged = 0;
  for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
    if (goals[i].goal == 0) continue;
    if (!goals[i].value.count) return -1;
    judged = 1;
    if (!is_reached(metric, goals[i].value, goals[i].goal)) return 0;
  }
  return judged ? 1 : -1;
}

void goal_text(int index, char *text, size_t size) {
  const struct metric *metric = &metrics[index];
  const char *sign = metric->lower_is_better ? "≤" : "≥";
  int used = 0;
  text[0] = '\0';
  if (metric->versus_qemu) used = snprintf(text, size, "%s %g × QEMU", sign, metric->versus_qemu);
  if (metric->versus_plain) snprintf(text + used, size - (size_t)used, ", %s %g × limit", sign, metric->versus_plain);
  if (metric->versus_base) snprintf(text, size, "%s %g × one port's", sign, metric->versus_base);
  if (metric->bound >= 1) snprintf(text, size, "%s %g %s", sign, metric->bound, metric->unit);
  if (metric->bound > 0 && metric->bound < 1) snprintf(text, size, "0");
}

/* What the parts of the benchmark share. Times are nanoseconds of CLOCK_MONOTONIC. Functions that return int return
   0, or -1 after they have said on standard error what went wrong. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GUEST_MIB 128
#define MAX_ROUNDS 99
#define MAX_PORTS 512
#define SECOND 1000000000ll

/* What is measured: the two monitors, an earlier swiftvm if there is one, and for comparison a plain program that
   moves the same buffers through the same kind of socket without any guest. */
enum subject { SWIFTVM, EARLIER, QEMU, PLAIN, SUBJECTS };
static inline int is_swiftvm(enum subject subject) { return subject == SWIFTVM || subject == EARLIER; }
extern const char *const subject_names[SUBJECTS];

struct settings {
  const char *swiftvm, *earlier, *qemu; /* executables; NULL: left out */
  const char *guest;          /* the folder with guest.elf and rom.bin */
  const char *results;        /* the folder for results.json and results.svg; NULL: neither is written */
  const char *only;           /* measure only what has this in its id; NULL: everything */
  char folder[64];            /* sockets and small files */
  int rounds;
  int small_pages; /* swiftvm's guest memory is in pages of 4 KiB only */
};
extern struct settings settings;

/* What the guest (or the plain program) does with its buffers: see guest-images/bench/main.c. */
struct load {
  const char *mode; /* send, receive, echo, first, idle */
  int ports, size, chain, depth;
};

/* clock.c */
int64_t now(void);
void sleep_ns(int64_t duration);

/* vm.c: one running subject, its sockets at FOLDER/SUBJECT.PORT. */
struct vm {
  enum subject subject;
  struct load load;
  pid_t pid;
  int64_t started;
  int console; /* the guest's COM1 */
  char errors[96];
  int clients[MAX_PORTS]; /* connected sockets; the first is port 1's */
};
int vm_start(struct vm *vm, enum subject subject, struct load load);
/* Connects to every port. */
int vm_connect(struct vm *vm);
void vm_stop(struct vm *vm);
/* Says what failed, with what the guest and the program have said. Returns -1. */
int vm_failed(struct vm *vm, const char *what);
/* "first KVM_RUN" of swiftvm's --timings in ms, once it has stopped; negative if it is not there. */
double vm_first_run(const struct vm *vm);
void vm_socket_path(const struct vm *vm, int port, char *path, size_t size);

/* command.c: the argument vector for exec, allocated. */
char **vm_command(const struct vm *vm);

/* plain.c: the plain program; does not return. */
_Noreturn void plain_run(const struct vm *vm);

/* client.c: the host's end. */
struct traffic {
  double megabytes_per_second, cpu_seconds_per_gib;
};
struct latency {
  double p50, p99, p999; /* in microseconds */
};
int measure_stream(struct vm *vm, struct traffic *traffic);
int measure_echo(struct vm *vm, struct latency *latency);
int measure_first_byte(struct vm *vm, int descriptor, double *milliseconds);

/* process.c: the threads that are not vCPUs. */
double process_cpu_seconds(pid_t pid);
long process_wakeups(pid_t pid);
/* Resident memory in MiB: outside the mapping that is the guest's, and all of it. */
double process_overhead(pid_t pid);
double process_memory(pid_t pid);

/* plan.c */
int run_rounds(void);

/* metrics.c: what is measured, what is to be reached, and the samples. */
struct metric {
  const char *id, *what, *unit;
  int digits, lower_is_better;
  /* Goals for swiftvm, 0 where there is none: as a multiple of QEMU's, of the plain program's, of its own value for
     `base`, and as a number. */
  double versus_qemu, versus_plain;
  const char *base;
  double versus_base, bound;
};
extern const struct metric metrics[];
extern const int metric_count;
/* Keeps one sample; an unknown metric ends the program. */
void record(const char *id, enum subject subject, int round, double value);

struct summary {
  int count; /* of samples; with none the rest means nothing */
  double median, low, high;
};
struct summary summarize(int metric, enum subject subject);
/* Of the ratios of the two in each round: what drifts from round to round cancels out. */
struct summary summarize_ratio(int metric, enum subject a, int other, enum subject b);
int metric_index(const char *id);
/* Whether every goal of the metric is reached; -1 where there is none, or nothing to judge by. */
int goal_reached(int metric);
/* The goals in words; empty if there is none. */
void goal_text(int metric, char *text, size_t size);

/* Ends of the run: table.c, json.c, svg.c. */
void print_table(void);
int write_json(const char *path);
int write_svg(const char *path);

#endif

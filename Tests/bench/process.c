/* What /proc tells of a monitor. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* By their names: "vcpu0" in swiftvm, "CPU 0/KVM" in QEMU with debug-threads=on. */
static int is_vcpu(const char *task) {
  char path[320], name[32] = "";
  snprintf(path, sizeof path, "%s/comm", task);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  if (!fgets(name, sizeof name, file)) name[0] = '\0';
  fclose(file);
  return strncmp(name, "vcpu", 4) == 0 || strncmp(name, "CPU ", 4) == 0;
}

/* The sum over the tasks that are not vCPUs. */
static double sum(pid_t pid, double (*of_task)(const char *task)) {
  char folder[64], task[320];
  snprintf(folder, sizeof folder, "/proc/%d/task", pid);
  DIR *tasks = opendir(folder);
  if (!tasks) return 0;
  double total = 0;
  for (struct dirent *entry; (entry = readdir(tasks));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(task, sizeof task, "%s/%s", folder, entry->d_name);
    if (!is_vcpu(task)) total += of_task(task);
  }
  closedir(tasks);
  return total;
}

/* The first number of schedstat: nanoseconds on a CPU. */
static double cpu_seconds(const char *task) {
  char path[352];
  uint64_t nanoseconds = 0;
  snprintf(path, sizeof path, "%s/schedstat", task);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  if (fscanf(file, "%" SCNu64, &nanoseconds) != 1) nanoseconds = 0;
  fclose(file);
  return (double)nanoseconds / 1e9;
}

static double voluntary_switches(const char *task) {
  char path[352], line[256];
  double count = 0;
  snprintf(path, sizeof path, "%s/status", task);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "voluntary_ctxt_switches: %lf", &count) == 1) break;
  if (file) fclose(file);
  return count;
}

double process_cpu_seconds(pid_t pid) { return sum(pid, cpu_seconds); }

long process_wakeups(pid_t pid) { return (long)sum(pid, voluntary_switches); }

/* With or without the guest's mapping. */
static double resident(pid_t pid, int with_guest) {
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/%d/smaps", pid);
  FILE *file = fopen(path, "r");
  double kilobytes = 0, size;
  int counts = 0;
  while (file && fgets(line, sizeof line, file)) {
    uint64_t start, end;
    char permissions;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %c", &start, &end, &permissions) == 3)
      counts = with_guest || end - start < (uint64_t)GUEST_MIB << 20 || end - start >= (uint64_t)GUEST_MIB << 21;
    else if (counts && sscanf(line, "Rss: %lf kB", &size) == 1)
      kilobytes += size;
  }
  if (file) fclose(file);
  return kilobytes / 1024;
}

double process_overhead(pid_t pid) { return resident(pid, 0); }

double process_memory(pid_t pid) { return resident(pid, 1); }

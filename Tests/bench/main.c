/* bench: swiftvm and QEMU under the same guest and the same client, in turns. Run it by `make bench`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

struct settings settings = {.rounds = 5};

static const char usage[] =
    "usage: bench --swiftvm PROGRAM --guest FOLDER [--earlier PROGRAM] [--qemu PROGRAM] [--rounds N] [--only TEXT] [--results FOLDER]\n";

static void parse(int count, char **words) {
  for (int i = 1; i < count; i += 2) {
    const char *value = i + 1 < count ? words[i + 1] : NULL;
    if (!value) break;
    if (strcmp(words[i], "--swiftvm") == 0) settings.swiftvm = value;
    else if (strcmp(words[i], "--earlier") == 0) settings.earlier = value;
    else if (strcmp(words[i], "--qemu") == 0) settings.qemu = value;
    else if (strcmp(words[i], "--guest") == 0) settings.guest = value;
    else if (strcmp(words[i], "--rounds") == 0) settings.rounds = atoi(value);
    else if (strcmp(words[i], "--only") == 0) settings.only = value;
    else if (strcmp(words[i], "--results") == 0) settings.results = value;
    else settings.guest = NULL, i = count;
  }
  if (!settings.swiftvm || !settings.guest || settings.rounds < 1 || settings.rounds > MAX_ROUNDS) {
    fputs(usage, stderr);
    exit(2);
  }
}

/* Some hundred ports need a few descriptors each, here and in the monitors. */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int write_results(void) {
  char path[512];
  if (!settings.results) return 0;
  snprintf(path, sizeof path, "%s/results.json", settings.results);
  int failed = write_json(path);
  snprintf(path, sizeof path, "%s/results.svg", settings.results);
  return failed | write_svg(path);
}

int main(int count, char **words) {
  parse(count, words);
  raise_descriptor_limit();
  strcpy(settings.folder, "/tmp/swiftvm-bench.XXXXXX");
  if (!mkdtemp(settings.folder)) return perror(settings.folder), 1;
  int failed = run_rounds();
  print_table();
  failed |= write_results();
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", settings.folder);
  failed |= system(command) != 0;
  return failed ? 1 : 0;
}

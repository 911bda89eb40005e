/* The results for programs. */
#include <stdio.h>

#include "bench.h"

static const char *const keys[SUBJECTS] = {"swiftvm", "earlier", "qemu", "limit"};

static void write_summary(FILE *file, const char *key, struct summary value) {
  if (value.count)
    fprintf(file, ", \"%s\": {\"median\": %.6g, \"low\": %.6g, \"high\": %.6g, \"samples\": %d}", key, value.median,
            value.low, value.high, value.count);
}

int write_json(const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) return perror(path), -1;
  fprintf(file, "{\n  \"rounds\": %d,\n  \"metrics\": [", settings.rounds);
  const char *separator = "\n";
  for (int i = 0; i < metric_count; i++) {
    if (!summarize(i, SWIFTVM).count && !summarize(i, QEMU).count) continue;
    fprintf(file, "%s    {\"id\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\"", separator, metrics[i].id, metrics[i].what,
            metrics[i].unit);
    for (int subject = 0; subject < SUBJECTS; subject++)
      write_summary(file, keys[subject], summarize(i, (enum subject)subject));
    write_summary(file, "ratio_to_earlier", summarize_ratio(i, SWIFTVM, i, EARLIER));
    write_summary(file, "ratio_to_qemu", summarize_ratio(i, SWIFTVM, i, QEMU));
    write_summary(file, "ratio_to_limit", summarize_ratio(i, SWIFTVM, i, PLAIN));
    int reached = goal_reached(i);
    if (reached >= 0) fprintf(file, ", \"goal_reached\": %s", reached ? "true" : "false");
    fprintf(file, "}");
    separator = ",\n";
  }
  fprintf(file, "\n  ]\n}\n");
  return fclose(file) ? perror(path), -1 : 0;
}

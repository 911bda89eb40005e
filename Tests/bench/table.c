/* The results as a table in Markdown, which reads well as it is. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* Columns are padded by characters, not bytes. */
static void cell(const char *text, int width) {
  int characters = 0;
  for (const char *at = text; *at; at++) characters += (*at & 0xc0) != 0x80;
  printf("| %s%*s ", text, width > characters ? width - characters : 0, "");
}

static void value_text(int metric, enum subject subject, char *text, size_t size) {
  struct summary value = summarize(metric, subject);
  int digits = metrics[metric].digits;
  if (!value.count)
    snprintf(text, size, "–");
  else if (value.count == 1)
    snprintf(text, size, "%.*f", digits, value.median);
  else
    snprintf(text, size, "%.*f (%.*f–%.*f)", digits, value.median, digits, value.low, digits, value.high);
}

static void ratio_text(struct summary ratio, char *text, size_t size) {
  if (ratio.count)
    snprintf(text, size, "%.2f", ratio.median);
  else
    snprintf(text, size, "–");
}

/* The column of an earlier swiftvm is there only with one. */
static int is_shown(int subject) { return subject != EARLIER || settings.earlier; }

static void print_row(int metric) {
  char what[128], goal[96], values[SUBJECTS][64], to_earlier[32], to_qemu[32], to_plain[32];
  int reached = goal_reached(metric);
  snprintf(what, sizeof what, "%s%s%s", metrics[metric].what, metrics[metric].unit[0] ? ", " : "", metrics[metric].unit);
  goal_text(metric, goal, sizeof goal);
  for (int subject = 0; subject < SUBJECTS; subject++)
    value_text(metric, (enum subject)subject, values[subject], sizeof values[subject]);
  ratio_text(summarize_ratio(metric, SWIFTVM, metric, EARLIER), to_earlier, sizeof to_earlier);
  ratio_text(summarize_ratio(metric, SWIFTVM, metric, QEMU), to_qemu, sizeof to_qemu);
  ratio_text(summarize_ratio(metric, SWIFTVM, metric, PLAIN), to_plain, sizeof to_plain);
  cell(what, 56);
  cell(goal, 27);
  for (int subject = 0; subject < SUBJECTS; subject++)
    if (is_shown(subject)) cell(values[subject], 19);
  if (is_shown(EARLIER)) cell(to_earlier, 9);
  cell(to_qemu, 6);
  cell(to_plain, 7);
  cell(reached < 0 ? "" : reached ? "yes" : "no", 7);
  printf("|\n");
}

void print_table(void) {
  cell("median (lowest–highest)", 56);
  cell("goal", 27);
  cell("swiftvm", 19);
  if (is_shown(EARLIER)) cell("earlier", 19);
  cell("QEMU", 19);
  cell("limit", 19);
  if (is_shown(EARLIER)) cell("× earlier", 9);
  cell("× QEMU", 6);
  cell("× limit", 7);
  cell("reached", 7);
  printf("|\n|%s --- | --- | --- | --- | --- | --- | --- | --- |\n", is_shown(EARLIER) ? " --- | --- |" : "");
  for (int metric = 0; metric < metric_count; metric++)
    if (summarize(metric, SWIFTVM).count || summarize(metric, QEMU).count) print_row(metric);
}

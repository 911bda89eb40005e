/* The plot for the README: each measurement as a pair of bars, as a part of the limit where more is better, and of
   QEMU's value where less is. A line marks lowest to highest. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

enum { LABELS = 330, WIDTH = 460, NUMBERS = 150, ROW = 34, BAR = 12, TOP = 58, PANEL_GAP = 56 };

static const char *const throughput[] = {"out-64", "out-4k", "out-64k", "out-chain", "in-64", "in-4k", "in-64k",
                                         "in-chain", "out-4k-30", "in-4k-30"};
static const char *const costs[] = {"echo-p50", "echo-p99", "cpu-out-64k", "cpu-in-64k", "start-byte", "start-port",
                                    "memory-idle", "memory-load"};
enum { THROUGHPUT = sizeof throughput / sizeof *throughput, COSTS = sizeof costs / sizeof *costs };

static double clip(double part) { return part > 1.15 ? 1.15 : part; }

static void bar(FILE *file, int metric, enum subject subject, double whole, int y) {
  static const char *const colours[SUBJECTS] = {[SWIFTVM] = "#f05138", [QEMU] = "#8a8a8a"};
  struct summary value = summarize(metric, subject);
  if (!value.count || whole <= 0) return;
  double scale = WIDTH / 1.15, end = LABELS + clip(value.median / whole) * scale;
  double low = LABELS + clip(value.low / whole) * scale, high = LABELS + clip(value.high / whole) * scale;
  fprintf(file, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LABELS, y, end - LABELS, BAR,
          colours[subject]);
  fprintf(file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#333\"/>\n", low, high, y + BAR / 2,
          y + BAR / 2);
  fprintf(file, "<text x=\"%.1f\" y=\"%d\" font-size=\"11\">%s %.*f %s</text>\n", (high > end ? high : end) + 5,
          y + BAR - 2, subject_names[subject], metrics[metric].digits, value.median, metrics[metric].unit);
}

static int panel(FILE *file, const char *title, const char *const *ids, int count, int against_plain, int y) {
  fprintf(file, "<text x=\"12\" y=\"%d\" font-weight=\"bold\">%s</text>\n", y - 12, title);
  double x = LABELS + WIDTH / 1.15;
  fprintf(file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#999\" stroke-dasharray=\"3\"/>\n", x, x, y - 6,
          y + count * ROW - 6);
  for (int i = 0; i < count; i++, y += ROW) {
    int metric = metric_index(ids[i]);
    double whole = summarize(metric, against_plain ? PLAIN : QEMU).median;
    fprintf(file, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LABELS - 8, y + BAR + 4, metrics[metric].what);
    bar(file, metric, SWIFTVM, whole, y);
    bar(file, metric, QEMU, whole, y + BAR + 1);
  }
  return y;
}

int write_svg(const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) return perror(path), -1;
  int height = TOP + (THROUGHPUT + COSTS) * ROW + PANEL_GAP + 12, width = LABELS + WIDTH + NUMBERS;
  fprintf(file,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
          "font-size=\"13\" fill=\"#111\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
          width, height);
  int y = panel(file, "Throughput; dashed: a plain program without a guest (longer is better)", throughput, THROUGHPUT, 1,
                TOP - 20);
  panel(file, "Cost; dashed: QEMU's (shorter is better)", costs, COSTS, 0, y + PANEL_GAP - 12);
  fprintf(file, "</svg>\n");
  return fclose(file) ? perror(path), -1 : 0;
}

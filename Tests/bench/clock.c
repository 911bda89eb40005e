/* See bench.h. */
#include <errno.h>
#include <time.h>

#include "bench.h"

int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * SECOND + time.tv_nsec;
}

void sleep_ns(int64_t duration) {
  struct timespec left = {duration / SECOND, duration % SECOND};
  while (nanosleep(&left, &left) == -1 && errno == EINTR) continue;
}

#include "pattern.h"

void pattern_start(struct pattern *pattern, uint64_t seed) {
  pattern->state = seed ? seed : 0x9E3779B97F4A7C15u;
  pattern->left = 0;
}

static uint64_t next_word(struct pattern *pattern) {
  uint64_t x = pattern->state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  pattern->state = x;
  return x * 0x2545F4914F6CDD1Du;
}

void pattern_fill(struct pattern *pattern, uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (pattern->left == 0) {
      pattern->word = next_word(pattern);
      pattern->left = 8;
    }
    bytes[i] = (uint8_t)pattern->word;
    pattern->word >>= 8;
    pattern->left--;
  }
}

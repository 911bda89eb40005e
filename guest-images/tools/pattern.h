// The test pattern: a byte stream easy to write again in any language.
#pragma once
#include <stddef.h>
#include <stdint.h>

// xorshift64* (Vigna): the state starts at the seed (or at 0x9E3779B97F4A7C15 where the seed is 0). Each step is
//   x ^= x >> 12; x ^= x << 25; x ^= x >> 27; word = x * 0x2545F4914F6CDD1D  (all modulo 2^64)
// and gives eight bytes of the stream, the word's lowest byte first. Chunk borders do not matter.
struct pattern {
  uint64_t state;
  uint64_t word;
  unsigned left;  // bytes of word not yet given out
};

void pattern_start(struct pattern *pattern, uint64_t seed);
void pattern_fill(struct pattern *pattern, uint8_t *bytes, size_t count);

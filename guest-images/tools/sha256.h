// SHA-256 (FIPS 180-4).
#pragma once
#include <stddef.h>
#include <stdint.h>

struct sha256 {
  uint32_t state[8];
  uint64_t length;  // bytes so far
  uint8_t block[64];
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const uint8_t *bytes, size_t count);
// Ends the hash and writes it as 64 hexadecimal digits and a NUL.
void sha256_hex(struct sha256 *hash, char hex[65]);

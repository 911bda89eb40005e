/* Loads and stores of memory another party writes at the same time: each is done exactly once, as one
   instruction, at any alignment. Swift has no volatile; its Atomic needs natural alignment. */
#ifndef CKVM_SHARED_ACCESS_H
#define CKVM_SHARED_ACCESS_H

#include <stdint.h>

#define CKVM_SHARED_ACCESS(bits)                                                            \
  struct ckvm_unaligned##bits { uint##bits##_t value; } __attribute__((packed, may_alias)); \
  static inline uint##bits##_t ckvm_load##bits(const void *address) {                       \
    return ((const volatile struct ckvm_unaligned##bits *)address)->value;                  \
  }                                                                                         \
  static inline void ckvm_store##bits(void *address, uint##bits##_t value) {                \
    ((volatile struct ckvm_unaligned##bits *)address)->value = value;                       \
  }

CKVM_SHARED_ACCESS(8)
CKVM_SHARED_ACCESS(16)
CKVM_SHARED_ACCESS(32)
CKVM_SHARED_ACCESS(64)

#undef CKVM_SHARED_ACCESS

#endif

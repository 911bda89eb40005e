/* See bench.h. */
#include "bench.h"

int event_index;

void ring_want_no_interrupt(struct ring *ring) {
  ring->available[0] = 1;
  if (event_index) *(volatile u16 *)&ring->available[2 + ring->size] = (u16)(ring->taken + 0x8000);
}

void ring_publish(struct ring *ring) {
  ring_want_no_interrupt(ring);
  compiler_barrier(); /* x86 keeps stores in order */
  *(volatile u16 *)&ring->available[1] = ring->posted;
  full_barrier();
  u16 old = ring->told;
  ring->told = ring->posted;
  if (event_index) {
    u16 event = *(const volatile u16 *)&ring->used[2 + 4 * ring->size];
    if ((u16)(ring->posted - event - 1) >= (u16)(ring->posted - old)) return;
  } else if (*(const volatile u16 *)&ring->used[0] & 1) {
    return;
  }
  write16(ring->notify, ring->number);
}

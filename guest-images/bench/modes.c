/* What main.c's mode= does, once the ports are open. */
#include "bench.h"

static u32 port_count, size, chain, depth;
static u64 buffers = BUFFERS_AT;

/* Chains of more than one descriptor come as indirect tables, as Linux sends them (2.7.5.3). */
static void make_buffer(struct ring *ring, u16 index, u16 flags) {
  struct descriptor *descriptor = &ring->descriptors[index];
  u64 memory = buffers;
  buffers += (u64)size * chain;
  if (chain == 1) {
    *descriptor = (struct descriptor){memory, size, flags, 0};
    return;
  }
  struct descriptor *table = (struct descriptor *)((buffers + 15) & ~15ul);
  buffers = (u64)(table + chain);
  *descriptor = (struct descriptor){(u64)table, chain * (u32)sizeof *table, DESCRIPTOR_INDIRECT, 0};
  for (u32 i = 0; i < chain; i++) {
    u16 next = i + 1 < chain ? DESCRIPTOR_NEXT : 0;
    table[i] = (struct descriptor){memory + (u64)size * i, size, flags | next, (u16)(i + 1)};
  }
}

/* Gives the ring all its buffers, their pages touched, each port's page-aligned. */
static void make_buffers(struct ring *ring, u16 flags) {
  u64 share = (BUFFERS_END - BUFFERS_AT) / port_count, each = (u64)size * chain + (chain > 1 ? 16 * chain + 16 : 0);
  buffers = (buffers + 4095) & ~4095ul;
  for (u16 i = 0; i < depth && i < ring->size && (i + 1) * each + 4096 <= share; i++) {
    memset((void *)buffers, 'a' + i % 26, each);
    make_buffer(ring, i, flags);
    ring_post(ring, i);
  }
  ring_publish(ring);
}

/* Every buffer that comes back is made available again. */
static _Noreturn void stream(int receiving) {
  for (u32 port = 1; port <= port_count; port++)
    make_buffers(receiving ? receive_ring(port) : transmit_ring(port), receiving ? DESCRIPTOR_WRITE : 0);
  for (;;) {
    pause();
    for (u32 port = 1; port <= port_count; port++) {
      struct ring *ring = receiving ? receive_ring(port) : transmit_ring(port);
      if (!ring_ready(ring)) continue;
      do ring_post(ring, (u16)ring_take(ring).id);
      while (ring_ready(ring));
      ring_publish(ring);
    }
  }
}

static _Noreturn void echo(void) {
  struct ring *in = receive_ring(1), *out = transmit_ring(1);
  make_buffers(in, DESCRIPTOR_WRITE);
  for (;;) {
    for (; !ring_ready(in); pause())
      while (ring_ready(out)) {
        ring_post(in, (u16)ring_take(out).id);
        ring_publish(in);
      }
    struct used_element element = ring_take(in);
    u16 index = (u16)element.id;
    out->descriptors[index] = (struct descriptor){in->descriptors[index].address, element.length, 0, 0};
    ring_post(out, index);
    ring_publish(out);
  }
}

static _Noreturn void sleep(void) {
  for (;;) __asm__ volatile("cli; hlt");
}

static _Noreturn void first(void) {
  struct ring *out = transmit_ring(1);
  out->descriptors[0] = (struct descriptor){BUFFERS_AT, 1, 0, 0};
  ring_post(out, 0);
  ring_publish(out);
  sleep();
}

void run_mode(u32 count) {
  port_count = count;
  size = (u32)option_number("size", 4096);
  chain = (u32)option_number("chain", 1);
  depth = (u32)option_number("depth", RING_SIZE);
  if (option_is("mode", "first")) first();
  if (option_is("mode", "idle")) sleep();
  drop_to_user();
  if (option_is("mode", "send")) stream(0);
  if (option_is("mode", "receive")) stream(1);
  if (option_is("mode", "echo")) echo();
  fail("no such mode");
}

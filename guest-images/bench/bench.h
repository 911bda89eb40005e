/* What the parts of the benchmark's guest share. */
#ifndef BENCH_H
#define BENCH_H

#include "micro.h"

#define RING_SIZE 128
#define MAX_PORTS 512
#define MAX_RINGS (2 * MAX_PORTS + 2)

/* Outside the image, so that a loader need not clear it: memory is zero at the start. */
#define RINGS_AT 0x400000ul
#define BUFFERS_AT 0x1000000ul
#define BUFFERS_END 0x7000000ul /* of 128 MiB */

enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2, DESCRIPTOR_INDIRECT = 4 };

struct descriptor {
  u64 address;
  u32 length;
  u16 flags, next;
};

struct used_element {
  u32 id, length;
};

/* A split virtqueue (virtio 1.2, 2.7) of up to RING_SIZE entries, polled: the driver never wants an interrupt. */
struct ring {
  struct descriptor descriptors[RING_SIZE];
  u16 available[3 + RING_SIZE] __attribute__((aligned(64))); /* flags, index, entries, used_event */
  u16 used[2 + 4 * RING_SIZE + 1] __attribute__((aligned(64))); /* flags, index, elements, avail_event */
  /* Below: the driver's own. */
  u64 notify __attribute__((aligned(64)));
  u16 number, size;
  u16 posted; /* the available index */
  u16 told;   /* the available index at the last look whether to notify */
  u16 taken;  /* used elements taken */
};

#define rings ((struct ring *)RINGS_AT)

/* ring.c */
extern int event_index; /* VIRTIO_F_EVENT_IDX is negotiated */
static inline u16 ring_used_index(const struct ring *ring) { return *(const volatile u16 *)&ring->used[1]; }
static inline int ring_ready(const struct ring *ring) { return ring_used_index(ring) != ring->taken; }
/* Makes the chain that starts at descriptor `head` available; seen after `ring_publish`. */
static inline void ring_post(struct ring *ring, u16 head) {
  ring->available[2 + (ring->posted++ & (ring->size - 1))] = head;
}
/* The next used element. */
static inline struct used_element ring_take(struct ring *ring) {
  compiler_barrier();
  return ((const struct used_element *)&ring->used[2])[ring->taken++ & (ring->size - 1)];
}
/* Shows the device what was posted, and notifies it if it wants that. */
void ring_publish(struct ring *ring);
/* Pushes the index that would cause an interrupt out of reach. */
void ring_want_no_interrupt(struct ring *ring);

/* device.c: the virtio console over PCI (virtio 1.2, 4.1), all its queues enabled and DRIVER_OK set. */
void device_open(u64 wanted_features);
extern u64 device_features;

/* console.c */
struct ring *receive_ring(u32 port);
struct ring *transmit_ring(u32 port);
/* The multiport handshake, until `count` ports, from 1 on, are open on both sides. */
void console_open(u32 count);

/* modes.c */
void run_mode(u32 port_count);

/* start.S */
void drop_to_user(void);

#endif

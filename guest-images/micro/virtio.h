/* A virtio device over PCI (virtio 1.2, 4.1) with split queues (2.7), as a driver sees it. */
#ifndef MICRO_VIRTIO_H
#define MICRO_VIRTIO_H

#include "micro.h"

#define MAX_QUEUES 66
#define QUEUE_SIZE 8
#define BUFFER_SIZE 256
#define FIRST_VECTOR 0x40 /* configuration changes; queue n has FIRST_VECTOR + 1 + n */

enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 64 };
enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2, DESCRIPTOR_INDIRECT = 4 };
enum { FEATURE_INDIRECT = 28, FEATURE_VERSION_1 = 32 };
enum interrupt_mode { POLL, MSIX, INTX };

struct descriptor {
  u64 address;
  u32 length;
  u16 flags, next;
};

struct queue {
  struct descriptor descriptors[QUEUE_SIZE];
  struct {
    u16 flags, index, ring[QUEUE_SIZE], used_event;
  } available;
  struct {
    u16 flags, index;
    struct {
      u32 id, length;
    } ring[QUEUE_SIZE];
    u16 available_event;
  } used __attribute__((aligned(4)));
  /* Below: the driver's own. */
  u64 notify;
  u16 number, last_used;
  u8 buffers[QUEUE_SIZE][BUFFER_SIZE];
} __attribute__((aligned(16)));

struct virtio {
  u32 function;
  enum interrupt_mode mode;
  u64 common, notify, isr, device, msix_table, msix_pending;
  u32 notify_multiplier, msix_entries;
  u64 features;
  u16 queue_count;
};

extern struct queue queues[MAX_QUEUES];

/* Finds the capabilities and sets the interrupts up; device=N, mode=poll|msix|intx and, for INTx,
   pin=N of the IOAPIC choose. */
void virtio_open(struct virtio *device, u16 id);
/* Up to FEATURES_OK: accepts those of `wanted` that the device offers. */
void virtio_negotiate(struct virtio *device, u64 wanted);
/* Enables all queues and sets DRIVER_OK; `before` is called between, unless it is 0. */
void virtio_start(struct virtio *device, void (*before)(void));
/* Moves the BAR of a live device two sizes up, and everything known of it. */
void virtio_move(struct virtio *device);
u8 virtio_status(const struct virtio *device);
/* Writes 0 and waits until the device says 0. */
void virtio_reset(struct virtio *device);

/* Puts buffer `index` of the queue into the available ring; the device writes to it or reads it. */
void queue_post(struct queue *queue, u16 index, u32 length, u16 flags);
/* Its two halves: the device may look as soon as it is published. */
void queue_prepare(struct queue *queue, u16 index, u32 length, u16 flags);
void queue_publish(struct queue *queue);
/* Tells the device unless it does not want to be told. */
void queue_notify(struct queue *queue);
static inline int queue_ready(const struct queue *queue) {
  return *(const volatile u16 *)&queue->used.index != queue->last_used;
}
/* Takes the next used element: its buffer's index; `length` gets what the device wrote. */
u16 queue_take(struct queue *queue, u32 *length);
/* Sleeps or spins, as the mode says, until `ready` says so. */
void virtio_wait(const struct virtio *device, int (*ready)(void));
/* Sends one buffer and waits until the device has used it. */
void queue_send(const struct virtio *device, struct queue *queue, const void *data, u32 length);

#endif

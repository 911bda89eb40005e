/* What a console's driver can do besides talking: break rules, mask vectors, send without end. */
#include "console.h"

static int needs_reset(void) { return virtio_status(&device) & STATUS_NEEDS_RESET; }

static void break_rule(void) {
  bring_up();
  struct queue *queue = &queues[option_number("queue", 1)];
  queue_prepare(queue, 0, 16, 0);
  if (option_is("bad", "loop")) {
    queue->descriptors[0].flags = DESCRIPTOR_NEXT;
    queue->descriptors[0].next = 0;
  } else if (option_is("bad", "index")) {
    queue->available.ring[0] = 0x7fff;
  } else if (option_is("bad", "indirect")) {
    queue->descriptors[0].flags = 4;
  } else {
    queue->descriptors[0].address = 0xffffffffffffff00;
    queue->descriptors[0].length = 0x1000;
  }
  queue_publish(queue); /* only now: the device may look at any moment */
  write16(queue->notify, queue->number);
  enum interrupt_mode mode = device.mode;
  device.mode = POLL;
  virtio_wait(&device, needs_reset);
  device.mode = mode;
  print("needs reset\n");
  virtio_reset(&device);
}

/* bad=range|loop|index|indirect queue=N breaks=N: breaks a rule on a queue (port 0's transmit queue if not
   given), waits until the device says that it needs a reset, and brings it up again; the first part `breaks`
   times. */
void scenario_bad_chain(void) {
  for (u64 left = option_number("breaks", 1); left; left--) break_rule();
  bring_up();
  if (needs_reset()) fail("still needs a reset");
  print("works again\n");
  virtio_reset(&device);
}

static int pending(u32 entry) { return read32(device.msix_pending + entry / 32 * 4) >> (entry % 32) & 1; }

/* port=NAME, with mode=msix: masks the vector of the port's receive queue, waits for bytes without it, and
   tells of the interrupt before and after the vector is unmasked. */
void scenario_masked(void) {
  bring_up();
  open_port();
  u32 entry = receive_queue(port)->number + 1u;
  volatile u32 *count = &interrupt_counts[FIRST_VECTOR + entry];
  write32(device.msix_table + 16 * entry + 12, 1);
  u32 before = *count;
  print("masked\n");
  sti();
  while (!queue_ready(receive_queue(port))) pause();
  while (!pending(entry)) pause();
  print("pending %u, interrupts %u\n", (u32)pending(entry), *count - before);
  write32(device.msix_table + 16 * entry + 12, 0);
  while (*count == before) pause();
  print("pending %u, interrupts %u\n", (u32)pending(entry), *count - before);
  close_port();
}

/* port=NAME wait=host bytes=N: sends so many bytes (for ever without a number), each buffer full of one letter,
   the next letter in the next buffer. */
void scenario_flood(void) {
  bring_up();
  open_port();
  print("flooding\n");
  struct queue *queue = transmit_queue(port);
  u64 left = option_number("bytes", ~0ull), sent_buffers = 0;
  for (u16 free = QUEUE_SIZE; left; free--) {
    if (!free) {
      while (!queue_ready(queue)) pause();
      for (; queue_ready(queue); free++) queue_take(queue, 0);
    }
    u16 index = sent_buffers % QUEUE_SIZE;
    u32 count = left < BUFFER_SIZE ? (u32)left : BUFFER_SIZE;
    memset(queue->buffers[index], 'a' + (int)(sent_buffers++ % 26), count);
    queue_post(queue, index, count, 0);
    queue_notify(queue);
    left -= count;
  }
  print("flooded\n");
}

/* port=NAME wait=host: hands over chains of 4 GiB each, made of the same 8 MiB over and over, and goes on. */
void scenario_swamp(void) {
  static struct descriptor table[512] __attribute__((aligned(16)));
  bring_up_with(1ull << FEATURE_INDIRECT, 0);
  open_port();
  for (u32 i = 0; i < 512; i++) {
    struct descriptor entry = {0, 8 << 20, i < 511 ? DESCRIPTOR_NEXT : 0, (u16)(i + 1)};
    table[i] = entry;
  }
  struct queue *queue = transmit_queue(port);
  for (u16 index = 0; index < QUEUE_SIZE; index++) {
    queue_prepare(queue, index, sizeof table, DESCRIPTOR_INDIRECT);
    queue->descriptors[index].address = (u64)table;
    queue_publish(queue);
  }
  queue_notify(queue);
  print("swamped\n");
}

/* port=NAME wait=host: sends a line while the device may not reach memory, and waits for it once it may again. */
void scenario_unmastered(void) {
  bring_up();
  open_port();
  struct queue *queue = transmit_queue(port);
  u16 command = pci_read16(device.function, 0x04);
  pci_write16(device.function, 0x04, command & ~4u);
  memcpy(queue->buffers[0], "held\n", 5);
  queue_post(queue, 0, 5, 0);
  queue_notify(queue);
  for (u32 left = 10000; left; left--) {
    if (queue_ready(queue)) fail("the device used a buffer");
    pause();
  }
  print("held\n");
  pci_write16(device.function, 0x04, command);
  while (!queue_ready(queue)) pause();
  queue_take(queue, 0);
  close_port();
}

/* Notifies every queue the device has three times, whether there is anything in it or a port it belongs to. */
void scenario_bells(void) {
  bring_up();
  for (u32 round = 0; round < 3; round++)
    for (u32 number = 0; number < device.queue_count; number++) {
      write16(queues[number].notify, (u16)number);
      for (u32 left = 200; left; left--) pause();
    }
  print("rang\n");
}

/* port=NAME wait=host all=yes: hands over buffers of one byte without end, on the port or on every port there is. */
void scenario_drizzle(void) {
  bring_up();
  open_port();
  u32 first = port, last = port;
  if (option_is("all", "yes")) {
    first = 1;
    for (u32 id = 1; id < port; id++) open_number(id);
  }
  for (u32 id = first; id <= last; id++)
    for (u16 index = 0; index < QUEUE_SIZE; index++) queue_post(transmit_queue(id), index, 1, 0);
  print("drizzling\n");
  for (u32 id = first;; id = id < last ? id + 1 : first) {
    struct queue *queue = transmit_queue(id);
    *(volatile u16 *)&queue->available.index = (u16)(*(volatile u16 *)&queue->used.index + QUEUE_SIZE);
    queue_notify(queue);
  }
}

/* port=NAME toggles=N asks=yes: notifies of every queue twice, takes the device's registers out of memory and puts them
   back; so often, or for ever. Then sends a control message each time, and waits until it is taken. */
void scenario_toggle(void) {
  bring_up();
  open_port();
  print("toggling\n");
  u16 command = pci_read16(device.function, 0x04);
  for (u64 left = option_number("toggles", ~0ull); left; left--) {
    for (u32 number = 0; number < 2 * device.queue_count; number++)
      write16(queues[number / 2].notify, (u16)(number / 2));
    pci_write16(device.function, 0x04, command & ~2u);
    pci_write16(device.function, 0x04, command);
    if (option_is("asks", "yes")) open_number(port);
  }
  close_port();
}

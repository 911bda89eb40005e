/* See virtio.h. */
#include "virtio.h"

struct queue queues[MAX_QUEUES];
static u64 interrupt_status; /* the ISR register, in INTx mode */

/* Offsets in the common configuration structure (4.1.4.3). */
enum {
  DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8, DRIVER_FEATURE = 12,
  CONFIG_MSIX_VECTOR = 16, NUM_QUEUES = 18, DEVICE_STATUS = 20, QUEUE_SELECT = 22,
  QUEUE_SIZE_REGISTER = 24, QUEUE_MSIX_VECTOR = 26, QUEUE_ENABLE = 28, QUEUE_NOTIFY_OFF = 30,
  QUEUE_DESC = 32, QUEUE_DRIVER = 40, QUEUE_DEVICE = 48
};

static void find_structures(struct virtio *device) {
  u32 function = device->function;
  for (u8 at = 0; (at = pci_capability(function, 0x09, at));) {
    u8 type = pci_read8(function, at + 3u);
    if (type < 1 || type > 4) continue;
    u64 address = pci_bar(function, pci_read8(function, at + 4u)) + pci_read32(function, at + 8u);
    map_device(address);
    switch (type) {
      case 1: device->common = address; break;
      case 2:
        device->notify = address;
        device->notify_multiplier = pci_read32(function, at + 16u);
        break;
      case 3: device->isr = address; break;
      case 4: device->device = address; break;
    }
  }
  if (!device->common || !device->notify || !device->isr || !device->device)
    fail("a virtio structure is missing");
}

/* Every entry gets its own vector on this processor; then MSI-X goes on. */
static void enable_msix(struct virtio *device) {
  u32 function = device->function;
  u8 at = pci_capability(function, 0x11, 0);
  if (!at) fail("no MSI-X");
  u16 control = pci_read16(function, at + 2u);
  u32 where = pci_read32(function, at + 4u), entries = (control & 0x7ffu) + 1u;
  device->msix_entries = entries;
  u64 table = map_device(pci_bar(function, where & 7) + (where & ~7u));
  u32 pending = pci_read32(function, at + 8u);
  device->msix_table = table;
  device->msix_pending = map_device(pci_bar(function, pending & 7) + (pending & ~7u));
  for (u32 i = 0; i < entries && i <= MAX_QUEUES; i++) {
    write32(table + 16 * i, 0xfee00000);
    write32(table + 16 * i + 4, 0);
    write32(table + 16 * i + 8, FIRST_VECTOR + i);
    write32(table + 16 * i + 12, 0); /* not masked */
  }
  pci_write16(function, at + 2u, control | 1u << 15);
  print("msix entries %u\n", entries);
}

/* Reading the ISR register lowers the line (4.1.4.5). */
static void acknowledge_intx(u32 vector) {
  (void)vector;
  read8(interrupt_status);
}

static void enable_intx(const struct virtio *device) {
  interrupt_status = device->isr;
  interrupt_hook = acknowledge_intx;
  u32 line = pci_read8(device->function, 0x3c); /* as firmware has noted it */
  if (option_is("mode", "pic")) pic_route(line, FIRST_VECTOR);
  else ioapic_route(line, FIRST_VECTOR, 1);
}

void virtio_open(struct virtio *device, u16 id) {
  int function = pci_find(0x1af4, id, (u32)option_number("device", 0));
  if (function < 0) fail("no such virtio device");
  memset(device, 0, sizeof *device);
  device->function = (u32)function;
  device->mode = option_is("mode", "msix") ? MSIX : option_is("mode", "intx") || option_is("mode", "pic") ? INTX : POLL;
  pci_write16(device->function, 0x04, 0x0006 | (device->mode == INTX ? 0 : 1 << 10));
  find_structures(device);
  if (device->mode == MSIX) enable_msix(device);
  if (device->mode == INTX) enable_intx(device);
}

u8 virtio_status(const struct virtio *device) { return read8(device->common + DEVICE_STATUS); }

static void add_status(const struct virtio *device, u8 bit) {
  write8(device->common + DEVICE_STATUS, virtio_status(device) | bit);
}

void virtio_reset(struct virtio *device) {
  write8(device->common + DEVICE_STATUS, 0);
  while (virtio_status(device)) pause();
}

static u64 offered_features(const struct virtio *device) {
  write32(device->common + DEVICE_FEATURE_SELECT, 0);
  u64 low = read32(device->common + DEVICE_FEATURE);
  write32(device->common + DEVICE_FEATURE_SELECT, 1);
  return low | (u64)read32(device->common + DEVICE_FEATURE) << 32;
}

void virtio_negotiate(struct virtio *device, u64 wanted) {
  virtio_reset(device);
  add_status(device, STATUS_ACKNOWLEDGE);
  add_status(device, STATUS_DRIVER);
  u64 offered = offered_features(device);
  device->features = offered & wanted;
  if (!(device->features >> FEATURE_VERSION_1 & 1)) fail("VERSION_1 is not offered");
  write32(device->common + DRIVER_FEATURE_SELECT, 0);
  write32(device->common + DRIVER_FEATURE, (u32)device->features);
  write32(device->common + DRIVER_FEATURE_SELECT, 1);
  write32(device->common + DRIVER_FEATURE, (u32)(device->features >> 32));
  add_status(device, STATUS_FEATURES_OK);
  if (!(virtio_status(device) & STATUS_FEATURES_OK)) fail("FEATURES_OK is refused");
  device->queue_count = read16(device->common + NUM_QUEUES);
  print("virtio queues %u offered %X accepted %X\n", (u32)device->queue_count, offered, device->features);
}

static void write_address(u64 at, const void *address) {
  write32(at, (u32)(u64)address);
  write32(at + 4, (u32)((u64)address >> 32));
}

/* The last vector is shared when the device has fewer than queues. */
static void set_vector(const struct virtio *device, u32 reg, u32 wanted) {
  u16 vector = (u16)(wanted < device->msix_entries ? wanted : device->msix_entries - 1);
  write16(device->common + reg, vector);
  if (read16(device->common + reg) != vector) fail("vector %u is refused", (u32)vector);
}

static void enable_queue(const struct virtio *device, u16 number) {
  struct queue *queue = &queues[number];
  memset(queue, 0, __builtin_offsetof(struct queue, buffers));
  queue->number = number;
  queue->available.flags = device->mode == POLL; /* no interrupts wanted */
  write16(device->common + QUEUE_SELECT, number);
  if (read16(device->common + QUEUE_SIZE_REGISTER) < QUEUE_SIZE) fail("queue %u is too small", (u32)number);
  write16(device->common + QUEUE_SIZE_REGISTER, QUEUE_SIZE);
  if (device->mode == MSIX) set_vector(device, QUEUE_MSIX_VECTOR, number + 1u);
  write_address(device->common + QUEUE_DESC, queue->descriptors);
  write_address(device->common + QUEUE_DRIVER, &queue->available);
  write_address(device->common + QUEUE_DEVICE, &queue->used);
  queue->notify = map_device(
      device->notify + (u64)read16(device->common + QUEUE_NOTIFY_OFF) * device->notify_multiplier);
  write16(device->common + QUEUE_ENABLE, 1);
}

void virtio_start(struct virtio *device, void (*before)(void)) {
  if (device->queue_count > MAX_QUEUES) fail("more than %u queues", (u32)MAX_QUEUES);
  if (device->mode == MSIX) set_vector(device, CONFIG_MSIX_VECTOR, 0);
  for (u16 number = 0; number < device->queue_count; number++) enable_queue(device, number);
  if (before) before();
  add_status(device, STATUS_DRIVER_OK);
}

void virtio_move(struct virtio *device) {
  u32 bar = 0;
  for (u8 at = 0; (at = pci_capability(device->function, 0x09, at));)
    if (pci_read8(device->function, at + 3u) == 2) bar = pci_read8(device->function, at + 4u);
  u64 old = pci_bar(device->function, bar), distance = 0x20000;
  map_device(old + distance);
  pci_move_bar(device->function, bar, old + distance);
  device->common += distance;
  device->notify += distance;
  device->isr += distance;
  device->device += distance;
  device->msix_table += distance;
  device->msix_pending += distance;
  interrupt_status = device->isr;
  for (u16 number = 0; number < device->queue_count; number++) queues[number].notify += distance;
  print("moved to %X\n", old + distance);
}

void queue_prepare(struct queue *queue, u16 index, u32 length, u16 flags) {
  struct descriptor *descriptor = &queue->descriptors[index];
  descriptor->address = (u64)queue->buffers[index];
  descriptor->length = length;
  descriptor->flags = flags;
  queue->available.ring[queue->available.index % QUEUE_SIZE] = index;
}

void queue_publish(struct queue *queue) {
  compiler_barrier(); /* x86 keeps stores in order */
  *(volatile u16 *)&queue->available.index = queue->available.index + 1;
}

void queue_post(struct queue *queue, u16 index, u32 length, u16 flags) {
  queue_prepare(queue, index, length, flags);
  queue_publish(queue);
}

void queue_notify(struct queue *queue) {
  full_barrier();
  if (!(*(volatile u16 *)&queue->used.flags & 1)) write16(queue->notify, queue->number);
}

u16 queue_take(struct queue *queue, u32 *length) {
  compiler_barrier();
  u32 at = queue->last_used++ % QUEUE_SIZE;
  if (length) *length = queue->used.ring[at].length;
  return (u16)queue->used.ring[at].id;
}

void virtio_wait(const struct virtio *device, int (*ready)(void)) {
  for (;;) {
    cli();
    if (ready()) break;
    if (device->mode == POLL) {
      sti();
      pause();
    } else {
      sti_hlt();
    }
  }
  sti();
}

static struct queue *sending;
static int sent(void) { return queue_ready(sending); }

void queue_send(const struct virtio *device, struct queue *queue, const void *data, u32 length) {
  memcpy(queue->buffers[0], data, length);
  queue_post(queue, 0, length, 0);
  queue_notify(queue);
  sending = queue;
  virtio_wait(device, sent);
  queue_take(queue, 0);
}

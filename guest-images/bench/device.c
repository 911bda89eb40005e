/* See bench.h. BARs without an address, as in QEMU without firmware, get one here. */
#include "bench.h"

enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 2, STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8 };

/* Offsets in the common configuration structure (4.1.4.3). */
enum {
  DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8, DRIVER_FEATURE = 12, NUM_QUEUES = 18,
  DEVICE_STATUS = 20, QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_ENABLE = 28, QUEUE_NOTIFY_OFF = 30, QUEUE_DESC = 32,
  QUEUE_DRIVER = 40, QUEUE_DEVICE = 48
};

u64 device_features;
static u64 common, notify;
static u32 notify_multiplier;

static u64 bar_address(u32 function, u32 bar) {
  static u64 next = 0xf0000000;
  u64 address = pci_bar(function, bar);
  if (address) return address;
  pci_move_bar(function, bar, next);
  next += 0x100000; /* more than any of these BARs is large */
  return pci_bar(function, bar);
}

static void find_structures(u32 function) {
  for (u8 at = 0; (at = pci_capability(function, 0x09, at));) {
    u8 type = pci_read8(function, at + 3u);
    if (type != 1 && type != 2) continue;
    u64 address = map_device(bar_address(function, pci_read8(function, at + 4u)) + pci_read32(function, at + 8u));
    if (type == 1) {
      common = address;
    } else {
      notify = address;
      notify_multiplier = pci_read32(function, at + 16u);
    }
  }
  if (!common || !notify) fail("a virtio structure is missing");
}

static void add_status(u8 bit) { write8(common + DEVICE_STATUS, read8(common + DEVICE_STATUS) | bit); }

static void negotiate(u64 wanted) {
  write8(common + DEVICE_STATUS, 0);
  while (read8(common + DEVICE_STATUS)) pause();
  add_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER);
  for (u32 half = 0; half < 2; half++) {
    write32(common + DEVICE_FEATURE_SELECT, half);
    u32 accepted = read32(common + DEVICE_FEATURE) & (u32)(wanted >> 32 * half);
    write32(common + DRIVER_FEATURE_SELECT, half);
    write32(common + DRIVER_FEATURE, accepted);
    device_features |= (u64)accepted << 32 * half;
  }
  add_status(STATUS_FEATURES_OK);
  if (!(read8(common + DEVICE_STATUS) & STATUS_FEATURES_OK)) fail("FEATURES_OK is refused");
}

static void write_address(u32 reg, const void *address) {
  write32(common + reg, (u32)(u64)address);
  write32(common + reg + 4, 0);
}

static void enable_queue(u16 number) {
  struct ring *ring = &rings[number];
  write16(common + QUEUE_SELECT, number);
  u16 size = read16(common + QUEUE_SIZE);
  if (!size) return;
  ring->size = size;
  if (size > RING_SIZE) write16(common + QUEUE_SIZE, ring->size = RING_SIZE);
  ring->number = number;
  ring_want_no_interrupt(ring);
  write_address(QUEUE_DESC, ring->descriptors);
  write_address(QUEUE_DRIVER, ring->available);
  write_address(QUEUE_DEVICE, ring->used);
  ring->notify = map_device(notify + (u64)read16(common + QUEUE_NOTIFY_OFF) * notify_multiplier);
  write16(common + QUEUE_ENABLE, 1);
}

void device_open(u64 wanted_features) {
  int function = pci_find(0x1af4, 0x1043, 0);
  if (function < 0) fail("no modern virtio console");
  find_structures((u32)function);
  pci_write16((u32)function, 0x04, 0x0406); /* memory, bus master, no INTx */
  negotiate(wanted_features);
  u16 count = read16(common + NUM_QUEUES);
  for (u16 number = 0; number < count && number < MAX_RINGS; number++) enable_queue(number);
  add_status(STATUS_DRIVER_OK);
}

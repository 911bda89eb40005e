/* The benchmark's guest: opens ports 1 to N of the virtio console and moves bytes as its command line says.

     ports=N                how many ports to open (1)
     mode=send|receive      streams on all ports, for ever
     mode=echo              sends back what comes on port 1, for ever
     mode=first             sends one byte on port 1, then sleeps for ever
     mode=idle              sleeps for ever
     size=BYTES chain=N     a buffer is a chain of N descriptors of so many bytes (4096, 1)
     depth=N                so many buffers at most on each port (128)
     event-index=no         does without VIRTIO_F_EVENT_IDX

   The first thing it does at all is to write "!" to COM1. Bring-up runs at CPL 0, traffic at CPL 3, polled with
   interrupts off: that is native speed also where KVM interprets CPL 0. Trouble is told on COM1: "fail: ...". */
#include "bench.h"

enum { FEATURE_MULTIPORT = 1, FEATURE_INDIRECT = 28, FEATURE_EVENT_INDEX = 29, FEATURE_VERSION_1 = 32 };

/* micro's `fail` ends with this; the line on COM1 is what the host sees. */
void power_off(void) {
  for (;;) __asm__ volatile("cli; hlt");
}

/* Everything is mapped from the start. */
u64 map_device(u64 address) {
  if (address < 0xc0000000 || address >> 32) fail("no mapping for a device at %X", address);
  return address;
}

void guest_main(const struct hvm_start_info *info) {
  options_start(info);
  u64 features = 1ull << FEATURE_MULTIPORT | 1ull << FEATURE_INDIRECT | 1ull << FEATURE_VERSION_1;
  if (!option_is("event-index", "no")) features |= 1ull << FEATURE_EVENT_INDEX;
  device_open(features);
  event_index = device_features >> FEATURE_EVENT_INDEX & 1;
  u32 port_count = (u32)option_number("ports", 1);
  if (port_count < 1 || port_count >= MAX_PORTS) fail("ports=%u", port_count);
  console_open(port_count);
  run_mode(port_count);
}

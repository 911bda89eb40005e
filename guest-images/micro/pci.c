/* Configuration space by ports 0xcf8 and 0xcfc, and what is found there. */
#include "micro.h"

#define FUNCTIONS 256

static u32 select_register(u32 function, u32 reg) {
  out32(0xcf8, 1u << 31 | function << 8 | (reg & 0xfc));
  return 0xcfc + (reg & 3);
}

u32 pci_read32(u32 function, u32 reg) { return in32((u16)select_register(function, reg)); }
u16 pci_read16(u32 function, u32 reg) { return in16((u16)select_register(function, reg)); }
u8 pci_read8(u32 function, u32 reg) { return in8((u16)select_register(function, reg)); }
void pci_write32(u32 function, u32 reg, u32 value) { out32((u16)select_register(function, reg), value); }
void pci_write16(u32 function, u32 reg, u16 value) { out16((u16)select_register(function, reg), value); }

int pci_find(u16 vendor, u16 device, u32 nth) {
  u32 wanted = (u32)device << 16 | vendor;
  for (u32 function = 0; function < FUNCTIONS; function += 8)
    if (pci_read32(function, 0) == wanted && nth-- == 0) return (int)function;
  return -1;
}

u64 pci_bar(u32 function, u32 bar) {
  u32 low = pci_read32(function, 0x10 + 4 * bar);
  u64 address = low & ~0xfu;
  if ((low & 7) == 4) address |= (u64)pci_read32(function, 0x14 + 4 * bar) << 32;
  return address;
}

u8 pci_capability(u32 function, u8 id, u8 after) {
  if (!(pci_read16(function, 0x06) & 0x10)) return 0;
  u8 at = after ? pci_read8(function, after + 1u) : pci_read8(function, 0x34);
  for (u32 left = 48; at && left; left--) {
    if (pci_read8(function, at) == id) return at;
    at = pci_read8(function, at + 1u);
  }
  return 0;
}

/* Prints every function of bus 0, and whether the memory-mapped way shows the same: ecam=ADDRESS. */
void scenario_pci(void) {
  u64 ecam = option_number("ecam", 0xe0000000);
  u32 found = 0, differing = 0;
  map_device(ecam);
  for (u32 function = 0; function < FUNCTIONS; function += 8) {
    u32 ids = pci_read32(function, 0);
    if (read32(ecam + ((u64)function << 12)) != ids) differing++;
    if (ids == ~0u) continue;
    found++;
    u32 class = pci_read32(function, 0x08);
    if (read32(ecam + ((u64)function << 12) + 8) != class) differing++;
    print("pci %u: %x:%x class %x subsystem %x\n", function >> 3, ids & 0xffff, ids >> 16, class,
          pci_read32(function, 0x2c));
  }
  print("pci functions %u\n", found);
  print(differing ? "ecam differs\n" : "ecam agrees\n");
}

/* Writes ones and reads back, as PCI Local Bus Specification 3.0, 6.2.5.1 says; the BAR keeps its value. */
static u64 bar_size(u32 function, u32 bar) {
  u32 at = 0x10 + 4 * bar, low = pci_read32(function, at), high = 0;
  int wide = (low & 7) == 4;
  pci_write32(function, at, ~0u);
  u64 mask = pci_read32(function, at) & ~0xfu;
  if (wide) {
    high = pci_read32(function, at + 4);
    pci_write32(function, at + 4, ~0u);
    mask |= (u64)pci_read32(function, at + 4) << 32;
    pci_write32(function, at + 4, high);
  } else if (mask) {
    mask |= 0xffffffffull << 32;
  }
  pci_write32(function, at, low);
  return ~mask + 1;
}

void pci_move_bar(u32 function, u32 bar, u64 address) {
  u16 command = pci_read16(function, 0x04);
  u32 low = pci_read32(function, 0x10 + 4 * bar);
  pci_write16(function, 0x04, command & ~2u);
  pci_write32(function, 0x10 + 4 * bar, (u32)address | (low & 0xf));
  if ((low & 7) == 4) pci_write32(function, 0x14 + 4 * bar, (u32)(address >> 32));
  pci_write16(function, 0x04, command | 2);
}

/* The BAR and offset of virtio's common configuration (virtio 1.2, 4.1.4). */
static u32 common_configuration(u32 function, u32 *offset) {
  for (u8 at = 0; (at = pci_capability(function, 0x09, at));) {
    if (pci_read8(function, at + 3u) != 1) continue;
    *offset = pci_read32(function, at + 8u);
    return pci_read8(function, at + 4u);
  }
  fail("no common configuration");
}

static void print_bars(u32 function) {
  for (u32 bar = 0; bar < 6; bar++) {
    u32 low = pci_read32(function, 0x10 + 4 * bar);
    u64 size = bar_size(function, bar);
    if (!size) continue;
    print("bar %u: type %x size %X at %X\n", bar, low & 0xf, size, pci_bar(function, bar));
    if ((low & 7) == 4) bar++;
  }
}

/* Sizes the BARs of a virtio console (device=N; id=0x1003 for a transitional one), moves that of its common configuration to to=ADDRESS
   (two sizes up if not given) and back, and looks each time for the same 32 bits. */
void scenario_bars(void) {
  int found = pci_find(0x1af4, (u16)option_number("id", 0x1043), (u32)option_number("device", 0));
  if (found < 0) fail("no virtio console");
  u32 function = (u32)found, offset, bar = common_configuration(function, &offset);
  print_bars(function);
  pci_write16(function, 0x04, pci_read16(function, 0x04) | 2);
  u64 old = pci_bar(function, bar), new = option_number("to", old + bar_size(function, bar) * 2);
  /* The vector of configuration changes and the number of queues. */
  offset += 0x10;
  map_device(old + offset);
  map_device(new + offset);
  u32 content = read32(old + offset);
  pci_move_bar(function, bar, new);
  if (pci_bar(function, bar) != new) fail("bar %u reads %X, not %X", bar, pci_bar(function, bar), new);
  if (read32(new + offset) != content) fail("not at the new address");
  u32 nothing = read32(old + offset); /* all ones on a PC, 0 in QEMU */
  if (nothing == content) fail("still at the old address");
  pci_write16(function, 0x04, pci_read16(function, 0x04) & ~2u);
  if (read32(new + offset) == content) fail("answers with memory decoding off");
  pci_move_bar(function, bar, old);
  if (read32(old + offset) != content) fail("not back at the old address");
  print("bar %u moved to %X and back, old address read %x\n", bar, new, nothing);
}

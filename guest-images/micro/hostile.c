/* What no honest guest does: it looks where nothing is, floods ports, and destroys what it was given. */
#include "micro.h"

/* Prints every port below 0x1000 that does not read all ones, and of those above it every 251st, then how many
   addresses without RAM or device do not. */
void scenario_sweep(void) {
  static const u64 holes[] = {
      0x1000000,  /* behind 16 MiB of RAM */
      0x3fe00000, /* still mapped as memory */
      0xc8000000, 0xd0000000, 0xe0100000, 0xf0000000, 0xfeb00000, 0xfed00000, 0xffe00000,
      0x100000000, 0x140000000,
  };
  for (u32 port = 0; port < 0x10000; port += port < 0x1000 ? 1 : 251)
    if (in8((u16)port) != 0xff) print("port %x\n", port);
  u32 answers = 0;
  for (u32 i = 0; i < sizeof holes / sizeof holes[0]; i++) {
    u64 at = map_device(holes[i]);
    write64(at, 0);
    if (read8(at + 1) != 0xff || read16(at + 2) != 0xffff || read32(at + 4) != ~0u || read64(at) != ~0ull) answers++;
  }
  print("holes that answer: %u of %u\n", answers, (u32)(sizeof holes / sizeof holes[0]));
}

/* Elements of `width` bytes: 64 to the port, all zero, and 4096 from it. (KVM exits for each that goes out, and for
   so many as fit into its buffer of those that come in.) */
static void stream(u16 port, u32 width) {
  static u8 page[4 * 4096];
  const void *from = page;
  void *to = page;
  unsigned long out = 64, in = 4096;
  memset(page, 0, sizeof page);
  if (width == 1)
    __asm__ volatile("rep outsb; mov %3, %%rcx; rep insb" : "+S"(from), "+c"(out), "+D"(to) : "r"(in), "d"(port) : "memory");
  else if (width == 2)
    __asm__ volatile("rep outsw; mov %3, %%rcx; rep insw" : "+S"(from), "+c"(out), "+D"(to) : "r"(in), "d"(port) : "memory");
  else
    __asm__ volatile("rep outsl; mov %3, %%rcx; rep insl" : "+S"(from), "+c"(out), "+D"(to) : "r"(in), "d"(port) : "memory");
}

/* String instructions at every width on ports with devices and without; then the serial port's odd modes. */
void scenario_storm(void) {
  static const u16 ports[] = {0x60, 0x64, 0x70, 0x71, 0x80, 0x600, 0x604, 0xcf8, 0xcf9, 0xcfc, 0x5000, 0x3f8, 0x3ff};
  for (u32 i = 0; i < sizeof ports / sizeof ports[0]; i++)
    for (u32 width = 1; width <= 4; width *= 2) {
      if (ports[i] == 0xcfc) out32(0xcf8, 0x80000000);
      stream(ports[i], width);
    }
  out8(0x3fb, 0x80); /* divisor 0 */
  out8(0x3f8, 0);
  out8(0x3f9, 0);
  out8(0x3fb, 0x03);
  out8(0x3fc, 0x10); /* loopback */
  stream(0x3f8, 1);
  out8(0x3fc, 0x0b);
  out8(0x3fa, 0x07);
  print("\nstorm over\n");
}

/* memory=BYTES, at most 1 GiB: writes to every page. */
void scenario_touch(void) {
  u64 end = option_number("memory", 16 << 20), pages = 0;
  for (u64 at = 4096; at < end; at += 4096, pages++) {
    volatile u8 *byte = (volatile u8 *)at;
    *byte = *byte;
  }
  print("touched %u pages\n", (u32)pages);
}

static u32 get32(u64 at) {
  u32 value;
  memcpy(&value, (const void *)at, sizeof value);
  return value;
}

static u64 get64(u64 at) { return get32(at) | (u64)get32(at + 4) << 32; }

static void check_sum(const char *name, u64 at, u32 length) {
  u8 sum = 0;
  for (u32 i = 0; i < length; i++) sum = (u8)(sum + ((const u8 *)at)[i]);
  if (sum) fail("bad checksum of %s", name);
}

/* Finds the ACPI tables as a kernel does that is told nothing (ACPI 6.5, 5.2.5.1), checks and overwrites them:
   the next boot must find them whole. */
void scenario_tables(void) {
  u64 root = 0xe0000;
  while (root < 0x100000 && memcmp((const void *)root, "RSD PTR ", 8)) root += 16;
  if (root == 0x100000) fail("no ACPI tables");
  check_sum("RSDP", root, 20);
  u64 index = get64(root + 24);
  u32 length = get32(index + 4);
  check_sum("XSDT", index, length);
  u32 count = (length - 36) / 8;
  for (u32 i = 0; i < count; i++) {
    u64 table = get64(index + 36 + 8 * i);
    check_sum("a table", table, get32(table + 4));
  }
  memset((void *)root, 0xff, index + length - root);
  print("overwrote %u tables\n", count);
}

/* at=ADDRESS: jumps there. */
void scenario_fetch(void) {
  u64 at = map_device(option_number("at", 0xd0000000));
  print("jump\n");
  ((void (*)(void))at)();
}

/* The micro guest: runs the scenarios its command line names, reports on COM1, ends as told.

     run=NAME[,NAME...]  scenarios, in order (the table below)
     end=NAME            how to end (endings.c); poweroff if not given
     other words         options of the scenarios, described where they are read

   Each scenario prints lines of its own; "done" follows when all went through, "fail: ..." says what
   did not. */
#include "micro.h"

/* Page tables beyond the first GiB come from here. */
static u64 table_pool[12][512] __attribute__((aligned(4096)));
static u32 tables_used;
extern u64 page_map[512];

static u64 *next_table(u64 *entry) {
  if (!(*entry & 1)) {
    if (tables_used == 12) fail("too many device mappings");
    *entry = (u64)table_pool[tables_used++] | 3;
  }
  return (u64 *)(*entry & ~0xfffull);
}

u64 map_device(u64 address) {
  u64 *pointers = next_table(&page_map[address >> 39 & 511]);
  u64 *directory = next_table(&pointers[address >> 30 & 511]);
  u64 *entry = &directory[address >> 21 & 511];
  if (!(*entry & 1)) *entry = (address & ~0x1fffffull) | 0x9b; /* 2 MiB, uncached, writable */
  return address;
}

/* io-port=N: writes of 1, 2 and 4 bytes, then reads of the same. */
static void scenario_ports(void) {
  u16 port = (u16)option_number("io-port", 0x5000);
  out8(port, 0x11);
  out16(port, 0x2222);
  out32(port, 0x33333333);
  u32 byte = in8(port), word = in16(port), dword = in32(port);
  print("ports %x %x %x\n", byte, word, dword);
}

/* io-port=N: rep outsb, rep outsw, rep insb. */
static void scenario_strings(void) {
  u16 port = (u16)option_number("io-port", 0x5000);
  static const char text[] = "string";
  static char reply[5];
  const void *from = text;
  void *to = reply;
  unsigned long count = 6;
  __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
  from = text;
  count = 3;
  __asm__ volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
  count = 4;
  __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
  print("strings %s\n", reply);
}

/* at=ADDRESS: writes of 1, 2, 4 and 8 bytes, then reads of the same. */
static void scenario_mmio(void) {
  u64 at = map_device(option_number("at", 0xd0000000));
  write8(at, 0x11);
  write16(at + 2, 0x2222);
  write32(at + 4, 0x33333333);
  write64(at + 8, 0x4444444444444444);
  u32 byte = read8(at), word = read16(at + 2), dword = read32(at + 4);
  print("mmio %x %x %x %X\n", byte, word, dword, read64(at + 8));
}

static void cpuid(u32 leaf, u32 subleaf, u32 result[4]) {
  __asm__ volatile("cpuid"
                   : "=a"(result[0]), "=b"(result[1]), "=c"(result[2]), "=d"(result[3])
                   : "a"(leaf), "c"(subleaf));
}

/* leaf=N subleaf=N: one CPUID leaf. */
static void scenario_cpuid(void) {
  u32 leaf = (u32)option_number("leaf", 1), subleaf = (u32)option_number("subleaf", 0), result[4];
  cpuid(leaf, subleaf, result);
  print("cpuid %x %x: %x %x %x %x\n", leaf, subleaf, result[0], result[1], result[2], result[3]);
}

static void scenario_hello(void) { print("hello from the micro guest\n"); }

static const struct {
  const char *name;
  void (*run)(void);
} scenarios[] = {
    {"hello", scenario_hello},
    {"ports", scenario_ports},
    {"strings", scenario_strings},
    {"mmio", scenario_mmio},
    {"cpuid", scenario_cpuid},
    {"wait-interrupt", scenario_wait_interrupt},
    {"ioapic", scenario_ioapic},
    {"processors", scenario_processors},
    {"reset-together", scenario_reset_together},
    {"pci", scenario_pci},
    {"bars", scenario_bars},
    {"console", scenario_console},
    {"bad-chain", scenario_bad_chain},
    {"masked", scenario_masked},
    {"flood", scenario_flood},
    {"swamp", scenario_swamp},
    {"drizzle", scenario_drizzle},
    {"toggle", scenario_toggle},
    {"bells", scenario_bells},
    {"panics", scenario_panics},
    {"say", scenario_say},
    {"button", scenario_button},
    {"unmastered", scenario_unmastered},
    {"plugged", scenario_plugged},
    {"ejected", scenario_ejected},
    {"eject", scenario_eject},
    {"replugged", scenario_replugged},
    {"chatter", scenario_chatter},
    {"sweep", scenario_sweep},
    {"storm", scenario_storm},
    {"touch", scenario_touch},
    {"tables", scenario_tables},
    {"fetch", scenario_fetch},
    {"internal-error", scenario_internal_error},
};

static void run_named(const char *name, unsigned long length) {
  for (u32 i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
    if (strlen(scenarios[i].name) == length && !memcmp(scenarios[i].name, name, length)) {
      scenarios[i].run();
      return;
    }
  }
  fail("no such scenario in the command line: %s", command_line);
}

void guest_main(const struct hvm_start_info *info) {
  options_start(info);
  interrupts_prepare();
  const char *name = option("run");
  while (name && !is_space(*name)) {
    const char *end = name;
    while (!is_space(*end) && *end != ',') end++;
    run_named(name, (unsigned long)(end - name));
    name = *end == ',' ? end + 1 : end;
  }
  print("done\n");
  finish();
}

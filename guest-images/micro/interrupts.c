/* Interrupt table, local APIC, IOAPIC, and starting other processors. */
#include "micro.h"

#define LAPIC 0xfee00000ull
#define IOAPIC 0xfec00000ull
#define FIRST_DEVICE_VECTOR 32

struct gate {
  u16 low, selector, flags, middle;
  u32 high, reserved;
};

extern u8 interrupt_stubs[256][16];
extern const u8 return_from_interrupt[];
extern const u8 processor_start[], processor_start_end[], processor_reset[], processor_reset_end[], processor_bios[],
    processor_bios_end[];
static struct gate gates[256] __attribute__((aligned(16)));
volatile u32 interrupt_counts[256];
void (*interrupt_hook)(u32 vector);
static int uses_pic;

void interrupt(u64 vector, u64 error, u64 rip) {
  if (vector < FIRST_DEVICE_VECTOR)
    fail("exception %u, error %X, at %X", (u32)vector, error, rip);
  interrupt_counts[vector]++;
  if (interrupt_hook) interrupt_hook((u32)vector);
  if (uses_pic) {
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
  }
  write32(LAPIC + 0xb0, 0); /* end of interrupt */
}

static void set_gate(u32 vector, u64 handler) {
  gates[vector].low = (u16)handler;
  gates[vector].selector = 0x08;
  gates[vector].flags = 0x8e00; /* present, 64-bit interrupt gate */
  gates[vector].middle = (u16)(handler >> 16);
}

void interrupts_repeat(u32 vector) { set_gate(vector, (u64)return_from_interrupt); }

void interrupts_prepare(void) {
  static struct {
    u16 limit;
    u64 base;
  } __attribute__((packed)) table;
  for (u32 i = 0; i < 256; i++) set_gate(i, (u64)interrupt_stubs[i]);
  table.limit = sizeof gates - 1;
  table.base = (u64)gates;
  __asm__ volatile("lidt %0" ::"m"(table));
  out8(0x21, 0xff); /* both 8259s masked */
  out8(0xa1, 0xff);
  map_device(LAPIC);
  map_device(IOAPIC);
  write32(LAPIC + 0xf0, 0x1ff); /* enabled, spurious vector 0xff */
}

void ioapic_route(u32 pin, u8 vector, int level) {
  write32(IOAPIC, 0x10 + 2 * pin + 1);
  write32(IOAPIC + 0x10, 0); /* to the processor with id 0 */
  write32(IOAPIC, 0x10 + 2 * pin);
  write32(IOAPIC + 0x10, vector | (level ? 1u << 15 : 0));
}

void pic_route(u32 line, u8 first) {
  print("8259 level-triggered %x\n", (u32)in8(0x4d0) | (u32)in8(0x4d1) << 8);
  for (u32 chip = 0; chip < 2; chip++) {
    u16 port = chip ? 0xa0 : 0x20;
    out8(port, 0x11);
    out8(port + 1, (u8)(first + 8 * chip));
    out8(port + 1, chip ? 2 : 1 << 2); /* the second is at input 2 of the first */
    out8(port + 1, 1);
  }
  u32 open = 1u << line | (line < 8 ? 0 : 1 << 2);
  out8(0x21, (u8)~open);
  out8(0xa1, (u8)(~open >> 8));
  uses_pic = 1;
}

static void wait_for_count(u8 vector, u32 count) {
  for (;;) {
    cli();
    if (interrupt_counts[vector] >= count) break;
    sti_hlt();
  }
  sti();
  print("interrupts on vector %x: %u\n", (u32)vector, interrupt_counts[vector]);
}

/* vector=N count=N: says "waiting" and sleeps until so many interrupts came. */
void scenario_wait_interrupt(void) {
  u8 vector = (u8)option_number("vector", 0x40);
  print("waiting\n");
  wait_for_count(vector, (u32)option_number("count", 1));
}

static u16 acknowledge_port;

/* The device lowers a level-triggered line when it is told. */
static void acknowledge(u32 vector) { out8(acknowledge_port, (u8)vector); }

/* pin=N vector=N count=N level=1: the same for a pin of the IOAPIC; ack-port=N is written to for each
   interrupt. */
void scenario_ioapic(void) {
  u8 vector = (u8)option_number("vector", 0x41);
  acknowledge_port = (u16)option_number("ack-port", 0);
  if (acknowledge_port) interrupt_hook = acknowledge;
  ioapic_route((u32)option_number("pin", 5), vector, option_number("level", 0) != 0);
  print("waiting\n");
  wait_for_count(vector, (u32)option_number("count", 1));
  interrupt_hook = 0;
}

static void send_ipi(u32 command) {
  write32(LAPIC + 0x310, 0);
  write32(LAPIC + 0x300, command);
}

/* Starts all other processors with this code and waits until `processors=N` run, this one included. The code
   counts itself in the word at 0x600. */
static void start_processors(const u8 *code, const u8 *end) {
  u32 wanted = (u32)option_number("processors", 2);
  volatile u32 *started = (volatile u32 *)0x600;
  const u64 page = 0x10000;
  *started = 0;
  memcpy((void *)page, code, (u64)(end - code));
  send_ipi(0xc4500);                    /* INIT, all but self */
  send_ipi(0xc4600 | (u32)(page >> 12)); /* start-up */
  while (*started + 1 < wanted) pause();
  print("processors %u\n", *started + 1);
}

/* processors=N */
void scenario_processors(void) { start_processors(processor_start, processor_start_end); }

void restart_by_bios(void) { start_processors(processor_bios, processor_bios_end); }

/* processors=N: all reset the machine at the same moment. */
void scenario_reset_together(void) {
  volatile u32 *word = (volatile u32 *)0x604;
  *word = 0;
  start_processors(processor_reset, processor_reset_end);
  *word = 1;
  out8(0x64, 0xfe);
}

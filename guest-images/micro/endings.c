/* The ways out: end=poweroff|reset-i8042|reset-cf9|bios|debug-exit|panic|triple-fault|unmap|spin|undefined|halt; end=asked takes the
   one that the last echoed line named. debug-exit writes status=NUMBER to port=0x501; panic tells pvpanic, then powers
   off, with then=halt halts, with then=talk prints a hundred lines and spins. */
#include "micro.h"

static _Noreturn void halt(void) {
  for (;;) __asm__ volatile("cli; hlt");
}

/* ACPI S5: SLP_TYP 5 and SLP_EN to the PM1a control register. */
void power_off(void) {
  out16(0x604, 5 << 10 | 1 << 13);
  halt();
}

static _Noreturn void triple_fault(void) {
  static const struct {
    u16 limit;
    u64 base;
  } __attribute__((packed)) none = {0, 0};
  __asm__ volatile("lidt %0; ud2" ::"m"(none));
  halt();
}

/* Takes the page tables away from under itself. */
static _Noreturn void unmap(void) {
  extern u64 page_map[512];
  page_map[0] = 0;
  __asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
  halt();
}

/* An undefined instruction, whose handler returns to it. */
static _Noreturn void repeat_undefined(void) {
  interrupts_repeat(6);
  for (;;) __asm__ volatile("ud2");
}

static int ends(const char *way) {
  if (!option_is("end", "asked")) return option_is("end", way);
  return strlen(last_line) == strlen(way) && !memcmp(last_line, way, strlen(way));
}

void finish(void) {
  if (ends("reset-i8042")) out8(0x64, 0xfe);
  if (ends("reset-cf9")) out8(0xcf9, 0x06);
  if (ends("bios")) restart_by_bios();
  if (ends("debug-exit")) out16((u16)option_number("port", 0x501), (u16)option_number("status", 0));
  if (ends("panic")) {
    if (in8(0x505) != 3) fail("no pvpanic");
    out8(0x505, 1);
    if (option_is("then", "halt")) halt();
    if (option_is("then", "talk")) {
      for (u32 line = 1; line <= 100; line++) print("last words %u\n", line);
      for (;;) pause();
    }
    power_off();
  }
  if (ends("triple-fault")) triple_fault();
  if (ends("unmap")) unmap();
  if (ends("undefined")) repeat_undefined();
  if (ends("halt")) halt();
  if (ends("spin"))
    for (;;) pause();
  if (option("end") && !ends("poweroff")) halt();
  power_off();
}

/* lines=N: prints so many lines of 64 bytes, 64 at a time, as fast as it can; without a number, for ever. */
void scenario_chatter(void) {
  static char page[4096];
  memset(page, '.', sizeof page);
  for (u32 at = 63; at < sizeof page; at += 64) page[at] = '\n';
  u64 lines = option_number("lines", 0);
  print("chatting\n");
  for (u64 number = 0; !lines || number < lines; number += 64) {
    const char *from = page;
    unsigned long count = sizeof page;
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((u16)0x3f8) : "memory");
  }
}

/* say=panic|oops: what Linux prints then. */
const char *kernel_message(void) {
  if (option_is("say", "panic")) return "[    1.234567] Kernel panic - not syncing: sysrq triggered crash";
  if (option_is("say", "oops")) return "[    1.234567] Oops: 0002 [#1] PREEMPT SMP NOPTI";
  return "Kernel panic + not syncing, Kernel panic - not, : 000 [#1]";
}

/* Prints it. */
void scenario_say(void) { print("%s\n", kernel_message()); }

/* Sleeps until the power button is pressed. */
void scenario_button(void) {
  out16(0x602, 1 << 8);
  print("waiting for the button\n");
  while (!(in16(0x600) & 1 << 8)) pause();
  print("pressed\n");
}

/* times=N: tells pvpanic of so many panics, one after the other. */
void scenario_panics(void) {
  for (u64 left = option_number("times", 1000); left; left--) out8(0x505, 1);
  print("panicked\n");
}

/* An instruction that no KVM emulates, on an address without memory: at=ADDRESS. */
void scenario_internal_error(void) {
  u64 at = map_device(option_number("at", 0xd0000000));
  print("internal-error\n");
  __asm__ volatile("lock cmpxchg16b (%0)" ::"D"(at), "a"(0), "b"(0), "c"(0), "d"(0) : "memory", "cc");
}

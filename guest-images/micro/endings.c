/* The ways out: end=poweroff|reset-i8042|reset-cf9|triple-fault|spin|halt */
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

void finish(void) {
  if (option_is("end", "reset-i8042")) out8(0x64, 0xfe);
  if (option_is("end", "reset-cf9")) out8(0xcf9, 0x06);
  if (option_is("end", "triple-fault")) triple_fault();
  if (option_is("end", "halt")) halt();
  if (option_is("end", "spin"))
    for (;;) pause();
  if (option("end") && !option_is("end", "poweroff")) halt();
  power_off();
}

/* An instruction that no KVM emulates, on an address without memory: at=ADDRESS. */
void scenario_internal_error(void) {
  u64 at = map_device(option_number("at", 0xd0000000));
  print("internal-error\n");
  __asm__ volatile("lock cmpxchg16b (%0)" ::"D"(at), "a"(0), "b"(0), "c"(0), "d"(0) : "memory", "cc");
}

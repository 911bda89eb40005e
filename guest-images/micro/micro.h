/* What the parts of the micro guest share. */
#ifndef MICRO_H
#define MICRO_H

#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* Ports. */
static inline void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void out16(u16 port, u16 value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
static inline void out32(u16 port, u32 value) { __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }
static inline u8 in8(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline u16 in16(u16 port) {
  u16 value;
  __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline u32 in32(u16 port) {
  u32 value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

/* Memory-mapped registers: plain moves, since KVM has to interpret them. */
static inline void write8(u64 at, u8 value) { __asm__ volatile("movb %0, (%1)" ::"r"(value), "r"(at) : "memory"); }
static inline void write16(u64 at, u16 value) { __asm__ volatile("movw %0, (%1)" ::"r"(value), "r"(at) : "memory"); }
static inline void write32(u64 at, u32 value) { __asm__ volatile("movl %0, (%1)" ::"r"(value), "r"(at) : "memory"); }
static inline void write64(u64 at, u64 value) { __asm__ volatile("movq %0, (%1)" ::"r"(value), "r"(at) : "memory"); }
static inline u8 read8(u64 at) {
  u8 value;
  __asm__ volatile("movb (%1), %0" : "=r"(value) : "r"(at) : "memory");
  return value;
}
static inline u16 read16(u64 at) {
  u16 value;
  __asm__ volatile("movw (%1), %0" : "=r"(value) : "r"(at) : "memory");
  return value;
}
static inline u32 read32(u64 at) {
  u32 value;
  __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(at) : "memory");
  return value;
}
static inline u64 read64(u64 at) {
  u64 value;
  __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(at) : "memory");
  return value;
}

static inline void cli(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void sti(void) { __asm__ volatile("sti" ::: "memory"); }
/* Nothing comes in between: the interrupt that ends the wait cannot be missed. */
static inline void sti_hlt(void) { __asm__ volatile("sti; hlt" ::: "memory"); }
static inline void pause(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void compiler_barrier(void) { __asm__ volatile("" ::: "memory"); }
/* Not mfence, which an interpreting KVM lacks. */
static inline void full_barrier(void) { __asm__ volatile("lock; addl $0, (%%rsp)" ::: "memory", "cc"); }

/* print.c: text goes to COM1. Formats: %s %c %u (decimal) %x (hexadecimal, 32 bits) %X (64 bits). */
void print(const char *format, ...);
/* Prints "fail: …" and powers off. */
_Noreturn void fail(const char *format, ...);
void *memset(void *to, int value, unsigned long count);
void *memcpy(void *to, const void *from, unsigned long count);
int memcmp(const void *a, const void *b, unsigned long count);
unsigned long strlen(const char *text);

/* options.c: the command line's key=value words. A value ends at a space. */
struct hvm_start_info;
extern const char *command_line;
/* Before the others. */
void options_start(const struct hvm_start_info *info);
static inline int is_space(char character) { return character == ' ' || character == '\0' || character == '\n'; }
const char *option(const char *key);
u64 option_number(const char *key, u64 fallback);
int option_is(const char *key, const char *word);
/* Copies a value out, NUL-terminated; empty if absent. */
void option_text(const char *key, char *to, unsigned long size);

/* guest.c */
/* Maps the 2 MiB around a physical address identically; returns the address. */
u64 map_device(u64 address);

/* interrupts.c */
void interrupts_prepare(void);
/* Lets an exception without an error code happen again and again. */
void interrupts_repeat(u32 vector);
extern volatile u32 interrupt_counts[256];
/* Called for each interrupt of a device, with interrupts off; may be 0. */
extern void (*interrupt_hook)(u32 vector);
void ioapic_route(u32 pin, u8 vector, int level);
/* Has the 8259s bring this interrupt, and no other: as one of the 16 vectors from `first`, a multiple of 8. */
void pic_route(u32 line, u8 first);
/* Restarts the machine as a PC's real-mode code does, on another processor. */
void restart_by_bios(void);
void scenario_wait_interrupt(void);
void scenario_ioapic(void);
void scenario_processors(void);
void scenario_reset_together(void);

/* pci.c */
u32 pci_read32(u32 function, u32 reg);
u16 pci_read16(u32 function, u32 reg);
u8 pci_read8(u32 function, u32 reg);
void pci_write32(u32 function, u32 reg, u32 value);
void pci_write16(u32 function, u32 reg, u16 value);
/* The nth function (device << 3) with these ids, or -1. */
int pci_find(u16 vendor, u16 device, u32 nth);
u64 pci_bar(u32 function, u32 bar);
/* The offset of the first capability with this id after `after` (0: from the start), or 0. */
u8 pci_capability(u32 function, u8 id, u8 after);
/* Turns decoding off while it moves. */
void pci_move_bar(u32 function, u32 bar, u64 address);
void scenario_pci(void);
void scenario_bars(void);

/* console.c */
void scenario_console(void);
void scenario_bad_chain(void);
void scenario_masked(void);
void scenario_flood(void);
void scenario_swamp(void);
void scenario_drizzle(void);
void scenario_toggle(void);
void scenario_bells(void);
void scenario_unmastered(void);

/* hotplug.c */
void scenario_plugged(void);
void scenario_ejected(void);
void scenario_eject(void);
void scenario_replugged(void);
/* The last line that was echoed. */
extern char last_line[64];

/* hostile.c */
void scenario_sweep(void);
void scenario_storm(void);
void scenario_touch(void);
void scenario_tables(void);
void scenario_fetch(void);

/* endings.c */
_Noreturn void finish(void);
_Noreturn void power_off(void);
void scenario_internal_error(void);
void scenario_chatter(void);
void scenario_panics(void);
const char *kernel_message(void);
void scenario_say(void);
void scenario_button(void);

#endif

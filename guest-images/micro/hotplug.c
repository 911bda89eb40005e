/* Devices that come to the PCI bus and leave it, as ACPI's code finds out: by general-purpose event 1 and the
   registers behind its block. */
#include "console.h"

enum { EVENT_STATUS = 0x610, EVENT_ENABLE = 0x612, FILLED = 0x614, TO_BE_EMPTIED = 0x618, EJECT = 0x61c };
enum { EVENT = 1 << 1, EVENT_PIN = 9, EVENT_VECTOR = 0xf0 };

static void acknowledge_event(u32 vector) {
  if (vector == EVENT_VECTOR) out16(EVENT_STATUS, EVENT);
}

/* Sleeps until the register names slots, and returns them. */
static u32 await_slots(u16 reg) {
  u32 slots;
  interrupt_hook = acknowledge_event;
  ioapic_route(EVENT_PIN, EVENT_VECTOR, 1);
  out16(EVENT_ENABLE, EVENT);
  print("waiting for slots\n");
  for (;;) {
    cli();
    slots = in32(reg);
    if (slots) break;
    sti_hlt();
  }
  sti();
  out16(EVENT_ENABLE, 0);
  interrupt_hook = 0;
  return slots;
}

/* to=ADDRESS: waits until a slot has been filled, and gives the memory of what is there a place. */
void scenario_plugged(void) {
  u32 slots = await_slots(FILLED);
  if (in32(FILLED)) fail("told twice");
  for (u32 slot = 0; slot < 32; slot++) {
    if (!(slots >> slot & 1)) continue;
    u32 function = slot << 3;
    print("slot %u filled: %x, memory at %X\n", slot, pci_read32(function, 0), pci_bar(function, 0));
    pci_move_bar(function, 0, option_number("to", 0xd0000000) + slot * 0x100000ull);
  }
}

/* slots=MASK: ejects what is in these slots. */
void scenario_eject(void) {
  u32 slots = (u32)option_number("slots", 0);
  out32(EJECT, slots);
  for (u32 slot = 1; slot < 32; slot++)
    if (slots >> slot & 1 && pci_read32(slot << 3, 0) != ~0u) fail("still in slot %u", slot);
  print("ejected %x\n", slots);
}

/* Waits until a slot is to be emptied, and empties it; the next device may be there at once. */
void scenario_ejected(void) {
  u32 slots = await_slots(TO_BE_EMPTIED);
  out32(EJECT, slots);
  print("ejected %x\n", slots);
  if (in32(TO_BE_EMPTIED)) fail("still to be emptied");
}

/* cycles=N: the three, one after the other, N times. */
void scenario_replugged(void) {
  for (u64 left = option_number("cycles", 1); left; left--) {
    scenario_plugged();
    scenario_console();
    scenario_ejected();
  }
}

/* The command lines of the two monitors: as alike as they can be made, each without a device that was not asked for. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct words {
  char **list;
  int count;
};

static void add(struct words *words, const char *format, ...) {
  words->list = realloc(words->list, (size_t)(words->count + 2) * sizeof *words->list);
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&words->list[words->count++], format, arguments) < 0) abort();
  va_end(arguments);
  words->list[words->count] = NULL;
}

/* QEMU without firmware has nothing that would pass the kernel command line on: it goes into memory beside PVH's start
   information (Xen's hvm_start_info), by a loader device. */
static void write_start_information(const char *path, const char *command_line) {
  enum { address = 0x6000, text = 0x40 };
  char bytes[4096] = {0};
  uint32_t head[4] = {0x336ec578, 1, 0, 0};
  uint64_t command_line_address = address + text;
  memcpy(bytes, head, sizeof head);
  memcpy(bytes + 24, &command_line_address, 8);
  snprintf(bytes + text, sizeof bytes - text, "%s", command_line);
  FILE *file = fopen(path, "w");
  if (!file) return;
  fwrite(bytes, sizeof bytes, 1, file);
  fclose(file);
}

static char **swiftvm_command(const struct vm *vm, const char *command_line) {
  struct words words = {0};
  add(&words, "%s", vm->subject == EARLIER ? settings.earlier : settings.swiftvm);
  add(&words, "run");
  add(&words, "--timings");
  add(&words, "--kernel");
  add(&words, "%s/guest.elf", settings.guest);
  add(&words, "--append");
  add(&words, "%s", command_line);
  add(&words, "--memory");
  add(&words, "%dM", GUEST_MIB);
  add(&words, "--huge-pages");
  add(&words, "%s", settings.small_pages ? "off" : "on");
  add(&words, "--virtio-serial");
  add(&words, "id=s,max-ports=%d", vm->load.ports + 1);
  for (int port = 1; port <= vm->load.ports; port++) {
    char path[96];
    vm_socket_path(vm, port, path, sizeof path);
    add(&words, "--virtserialport");
    add(&words, "bus=s.0,nr=%d,name=p%d,socket=%s", port, port, path);
  }
  return words.list;
}

static char **qemu_command(const struct vm *vm, const char *command_line) {
  struct words words = {0};
  char start[96];
  snprintf(start, sizeof start, "%s/start-information", settings.folder);
  write_start_information(start, command_line);
  add(&words, "%s", settings.qemu);
  for (const char *word = "-no-user-config -nodefaults -display none -no-reboot -accel kvm -M pc -smp 1 -serial stdio"; *word;) {
    size_t length = strcspn(word, " ");
    add(&words, "%.*s", (int)length, word);
    word += length + (word[length] == ' ');
  }
  add(&words, "-cpu");
  add(&words, "host,-arch-capabilities");
  add(&words, "-m");
  add(&words, "%d", GUEST_MIB);
  add(&words, "-name");
  add(&words, "bench,debug-threads=on");
  add(&words, "-bios");
  add(&words, "%s/rom.bin", settings.guest);
  add(&words, "-device");
  add(&words, "loader,file=%s/guest.elf", settings.guest);
  add(&words, "-device");
  add(&words, "loader,file=%s,addr=0x6000,force-raw=on", start);
  add(&words, "-device");
  add(&words, "virtio-serial-pci,disable-legacy=on,max_ports=%d", vm->load.ports + 1);
  for (int port = 1; port <= vm->load.ports; port++) {
    char path[96];
    vm_socket_path(vm, port, path, sizeof path);
    add(&words, "-chardev");
    add(&words, "socket,id=c%d,path=%s,server=on,wait=off", port, path);
    add(&words, "-device");
    add(&words, "virtserialport,nr=%d,chardev=c%d,name=p%d", port, port, port);
  }
  return words.list;
}

char **vm_command(const struct vm *vm) {
  const struct load *load = &vm->load;
  char text[256];
  snprintf(text, sizeof text, "mode=%s ports=%d size=%d chain=%d depth=%d", load->mode, load->ports, load->size,
           load->chain, load->depth);
  return is_swiftvm(vm->subject) ? swiftvm_command(vm, text) : qemu_command(vm, text);
}

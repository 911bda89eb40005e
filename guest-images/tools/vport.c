// vport: what tests do with a virtio port inside the guest.
#include <stdio.h>
#include <string.h>

#include "port.h"

static const struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  int needed;  // arguments
  const char *usage;
} commands[] = {
    {"poll", command_poll, 1, "PATH [MS]: what poll(2) says: IN OUT HUP"},
    {"wait", command_wait, 1, "PATH [host|hup|in|out [MS]]: sleeps until so; prints poll's answer; 1 if not within MS"},
    {"clients", command_clients, 3, "PATH read|poll COUNT: reads COUNT lines, one of each client; prints: clients N lines COUNT, N departures seen"},
    {"open", command_open, 1, "PATH: opens and closes; prints open or errno's name"},
    {"hold", command_hold, 1, "PATH [SECONDS]: opens, prints open, and keeps it open"},
    {"send", command_send, 3, "PATH BYTES SEED [CHUNK]: writes the pattern; prints: sent BYTES sha256 HEX"},
    {"recv", command_recv, 2, "PATH BYTES [CHUNK]: prints: received BYTES sha256 HEX; ends early (1) on a hang-up"},
    {"collect", command_collect, 2, "PATH BYTES [CHUNK]: recv that waits for the host to come back"},
    {"duplex", command_duplex, 3, "PATH BYTES SEED [CHUNK]: send and recv at once"},
    {"splice", command_splice, 3, "PATH BYTES SEED [CHUNK]: send through a pipe and splice(2)"},
    {"echo", command_echo, 1, "PATH [BYTES]: sends back what comes, also after reconnects"},
    {"write-nonblock", command_write_nonblock, 2, "PATH BYTES [CHUNK]: pattern of seed 1; prints: wrote N all|EAGAIN|..."},
    {"read-nonblock", command_read_nonblock, 1, "PATH [CHUNK]: one read; prints read N (0: no host) or EAGAIN"},
    {"seek", command_seek, 1, "PATH: prints what lseek(2) fails with"},
    {"signals", command_signals, 1, "PATH: prints what poll(2) says at each SIGIO, and what there is to read then"},
    {"forward", command_forward, 4, "BYTES CHUNK PATH SINK...: reads CHUNKs and writes each to every SINK"},
    {"relay", command_relay, 2, "SOURCE SINK [CHUNK]: forwards for ever, and opens a port again that was unplugged"},
    {"links", command_links, 0, "keeps /dev/virtio-ports in order from now on, in the background"},
    {"hibernate", command_hibernate, 0, "freezes and restores every device, as hibernation does; prints: restored"},
    {"kexec", command_kexec, 2, "KERNEL INITRD [WORDS]: starts that kernel in this one's place"},
    {"bench-send", command_bench_send, 2, "PATH BYTES [CHUNK]: prints: sent N bytes in S s: R MB/s"},
    {"bench-recv", command_bench_recv, 2, "PATH BYTES [CHUNK]: the same, timed from the first byte on"},
};
enum { command_count = sizeof commands / sizeof *commands };

static int usage(void) {
  fprintf(stderr,
          "usage: vport COMMAND ... (PATH - is standard input; sizes may end in K, M, G)\n");
  for (int i = 0; i < command_count; i++) fprintf(stderr, "  %-14s %s\n", commands[i].name, commands[i].usage);
  return 2;
}

int main(int argc, char **argv) {
  for (int i = 0; argc > 1 && i < command_count; i++) {
    if (strcmp(argv[1], commands[i].name) != 0) continue;
    return argc - 2 < commands[i].needed ? usage() : commands[i].run(argc - 2, argv + 2);
  }
  return usage();
}

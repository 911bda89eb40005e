// What the subcommands of vport share.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Opens a port for reading and writing; "-" is the open file on standard input, since a port can be open only once.
int port_open(const char *path);

// What poll(2) says of the port, within so many milliseconds (-1: no limit).
short port_poll(int port, int timeout);

// Waits, without polling, until poll(2) says (or, with `present` false, no longer says) one of these events.
bool port_wait(int port, short events, bool present, int timeout);

// Waits until a client may have come, after a read that found none: then read again. poll(2) does not tell of a client
// that has come and left bytes and gone before it was asked, so the wait ends after a tenth of a second in any case.
void port_wait_for_client(int port);

// Writes all of it, or ends the program.
void port_write(int port, const uint8_t *bytes, size_t count);

// Prints the name of errno and ends the program with status 1.
_Noreturn void die(const char *what);

uint64_t parse_size(const char *text);  // 4096, 64K, 16M, 1G
void *allocate(size_t size);

int command_poll(int argc, char **argv);
int command_wait(int argc, char **argv);
int command_clients(int argc, char **argv);
int command_open(int argc, char **argv);
int command_hold(int argc, char **argv);
int command_send(int argc, char **argv);
int command_recv(int argc, char **argv);
int command_collect(int argc, char **argv);
int command_duplex(int argc, char **argv);
int command_splice(int argc, char **argv);
int command_echo(int argc, char **argv);
int command_write_nonblock(int argc, char **argv);
int command_read_nonblock(int argc, char **argv);
int command_bench_send(int argc, char **argv);
int command_bench_recv(int argc, char **argv);
int command_seek(int argc, char **argv);
int command_signals(int argc, char **argv);
int command_forward(int argc, char **argv);
int command_relay(int argc, char **argv);
int command_links(int argc, char **argv);
int command_hibernate(int argc, char **argv);
int command_kexec(int argc, char **argv);

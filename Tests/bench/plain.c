/* The limit: what a plain program reaches that moves the same buffers through the same kind of socket, as many in one
   call as a call takes (IOV_MAX buffers, 256 KiB), or sends back what comes. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench.h"

enum { MOST_BUFFERS = 1024, MOST_BYTES = 256 << 10 };

/* The calls of one port take its buffers in turn, as a guest's ring does. */
struct plain_port {
  int socket;
  int count, next; /* calls' worth of buffers in `vectors`, and the one to come */
};

static struct plain_port ports[MAX_PORTS];
static struct iovec *vectors; /* all ports' buffers, port by port */
static int buffers_per_call, calls_per_port;

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1)) {
    perror(path);
    _exit(1);
  }
  return listener;
}

static void accept_all(const struct vm *vm) {
  for (int port = 0; port < vm->load.ports; port++) {
    char path[96];
    vm_socket_path(vm, port + 1, path, sizeof path);
    ports[port].socket = listen_at(path);
  }
  for (int port = 0; port < vm->load.ports; port++) {
    int listener = ports[port].socket;
    ports[port].socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | (vm->load.ports > 1 ? SOCK_NONBLOCK : 0));
    close(listener);
  }
}

static void make_buffers(const struct load *load) {
  int by_bytes = MOST_BYTES / load->size;
  buffers_per_call = by_bytes < MOST_BUFFERS ? by_bytes : MOST_BUFFERS;
  int wanted = load->depth * load->chain;
  calls_per_port = (wanted + buffers_per_call - 1) / buffers_per_call;
  size_t all = (size_t)load->ports * (size_t)calls_per_port * (size_t)buffers_per_call;
  char *memory = malloc(all * (size_t)load->size);
  vectors = malloc(all * sizeof *vectors);
  if (!memory || !vectors) _exit(1);
  memset(memory, 'a', all * (size_t)load->size);
  for (size_t i = 0; i < all; i++) vectors[i] = (struct iovec){memory + i * (size_t)load->size, (size_t)load->size};
}

/* One call; false when the client is gone. */
static int move(int port, int receiving) {
  struct plain_port *at = &ports[port];
  struct iovec *first = vectors + (size_t)(port * calls_per_port + at->next) * (size_t)buffers_per_call;
  ssize_t count = receiving ? readv(at->socket, first, buffers_per_call) : writev(at->socket, first, buffers_per_call);
  at->next = (at->next + 1) % calls_per_port;
  return count > 0 || (count < 0 && errno == EAGAIN);
}

static _Noreturn void echo(void) {
  char message[4096];
  for (ssize_t count; (count = recv(ports[0].socket, message, sizeof message, 0)) > 0;)
    if (send(ports[0].socket, message, (size_t)count, MSG_NOSIGNAL) != count) break;
  _exit(0);
}

_Noreturn void plain_run(const struct vm *vm) {
  int receiving = strcmp(vm->load.mode, "receive") == 0, count = vm->load.ports;
  struct pollfd ready[MAX_PORTS];
  make_buffers(&vm->load);
  accept_all(vm);
  if (strcmp(vm->load.mode, "echo") == 0) echo();
  for (int port = 0; port < count; port++)
    ready[port] = (struct pollfd){ports[port].socket, receiving ? POLLIN : POLLOUT, 0};
  while (count == 1)
    if (!move(0, receiving)) _exit(0);
  while (poll(ready, (nfds_t)count, -1) > 0)
    for (int port = 0; port < count; port++)
      if (ready[port].revents && !move(port, receiving)) _exit(0);
  _exit(0);
}

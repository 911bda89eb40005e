/* See bench.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

const char *const subject_names[SUBJECTS] = {"swiftvm", "earlier", "QEMU", "plain program"};
static const char *const short_names[SUBJECTS] = {"swiftvm", "earlier", "qemu", "plain"};

void vm_socket_path(const struct vm *vm, int port, char *path, size_t size) {
  snprintf(path, size, "%s/%s.%d", settings.folder, short_names[vm->subject], port);
}

/* In the child: COM1 to the pipe, messages to the file, and an end when the benchmark ends. */
static _Noreturn void become(const struct vm *vm, char **command, int console) {
  int errors = open(vm->errors, O_WRONLY | O_CREAT | O_TRUNC, 0600), none = open("/dev/null", O_RDONLY);
  dup2(none, 0);
  dup2(console, 1);
  dup2(errors, 2);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!command) plain_run(vm);
  execv(command[0], command);
  fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
  _exit(127);
}

int vm_start(struct vm *vm, enum subject subject, struct load load) {
  *vm = (struct vm){.subject = subject, .load = load};
  memset(vm->clients, -1, sizeof vm->clients);
  snprintf(vm->errors, sizeof vm->errors, "%s/%s.errors", settings.folder, short_names[subject]);
  char **command = subject == PLAIN ? NULL : vm_command(vm);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return perror("bench: pipe"), -1;
  vm->console = ends[0];
  vm->started = now();
  vm->pid = fork();
  if (vm->pid == 0) become(vm, command, ends[1]);
  close(ends[1]);
  for (char **word = command; word && *word; word++) free(*word);
  free(command);
  return vm->pid < 0 ? perror("bench: fork"), -1 : 0;
}

static int connect_once(const struct vm *vm, int port) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  vm_socket_path(vm, port, address.sun_path, sizeof address.sun_path);
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(client, (struct sockaddr *)&address, sizeof address) == 0) return client;
  close(client);
  return -1;
}

int vm_connect(struct vm *vm) {
  struct timeval patience = {5, 0};
  for (int port = 1; port <= vm->load.ports; port++) {
    int client;
    while ((client = connect_once(vm, port)) < 0) {
      if (now() - vm->started > 10 * SECOND) return vm_failed(vm, "no socket to connect to in 10 s");
      sleep_ns(200000);
    }
    vm->clients[port - 1] = client;
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  return 0;
}

static int has_ended(const struct vm *vm) { return waitpid(vm->pid, NULL, WNOHANG) != 0; }

void vm_stop(struct vm *vm) {
  for (int port = 1; port <= vm->load.ports; port++)
    if (vm->clients[port - 1] >= 0) close(vm->clients[port - 1]);
  if (vm->console >= 0) close(vm->console);
  kill(vm->pid, SIGTERM);
  int64_t deadline = now() + 3 * SECOND;
  while (!has_ended(vm)) {
    if (now() > deadline) kill(vm->pid, SIGKILL);
    sleep_ns(1000000);
  }
  for (int port = 1; port <= vm->load.ports; port++) {
    char path[96];
    vm_socket_path(vm, port, path, sizeof path);
    unlink(path);
  }
}

static void print_rest(int descriptor) {
  char text[512];
  struct pollfd ready = {descriptor, POLLIN, 0};
  while (poll(&ready, 1, 0) == 1) {
    ssize_t count = read(descriptor, text, sizeof text);
    if (count <= 0) break;
    fprintf(stderr, "%.*s", (int)count, text);
  }
}

int vm_failed(struct vm *vm, const char *what) {
  fprintf(stderr, "bench: %s, mode=%s ports=%d size=%d chain=%d: %s\n", subject_names[vm->subject], vm->load.mode,
          vm->load.ports, vm->load.size, vm->load.chain, what);
  fprintf(stderr, "guest: ");
  print_rest(vm->console);
  fprintf(stderr, "\n");
  int errors = open(vm->errors, O_RDONLY | O_CLOEXEC);
  print_rest(errors);
  if (errors >= 0) close(errors);
  return -1;
}

double vm_first_run(const struct vm *vm) {
  double milliseconds = -1, value;
  char line[256];
  FILE *file = fopen(vm->errors, "r");
  while (file && fgets(line, sizeof line, file))
    if (strstr(line, "first KVM_RUN") && sscanf(line, "timing: %lf ms", &value) == 1) milliseconds = value;
  if (file) fclose(file);
  return milliseconds;
}

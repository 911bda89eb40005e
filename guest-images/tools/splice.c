// A subcommand that moves bytes into a port without copying them through this program.
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port.h"

// Runs `vport send` into the pipe, in a process of its own.
static pid_t start_writer(int pipe[2], char **argv) {
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child > 0) return child;
  if (dup2(pipe[1], STDIN_FILENO) < 0) die("dup2");
  close(pipe[0]);
  close(pipe[1]);
  char *words[] = {"-", argv[1], argv[2], argv[3]};
  exit(command_send(argv[3] ? 4 : 3, words));
}

int command_splice(int argc, char **argv) {
  int port = port_open(argv[0]), pipes[2], status = 0;
  char *words[] = {argv[0], argv[1], argv[2], argc > 3 ? argv[3] : NULL};
  if (pipe2(pipes, O_CLOEXEC) < 0) die("pipe");
  pid_t writer = start_writer(pipes, words);
  close(pipes[1]);
  for (uint64_t left = parse_size(argv[1]); left > 0;) {
    // The driver takes an empty pipe for an end.
    struct pollfd filled = {.fd = pipes[0], .events = POLLIN};
    if (poll(&filled, 1, -1) < 0) die("poll");
    ssize_t count = splice(pipes[0], NULL, port, NULL, left, SPLICE_F_MOVE);
    if (count < 0) die("splice");
    if (count == 0 && filled.revents == POLLHUP) break;
    left -= (uint64_t)count;
  }
  if (waitpid(writer, &status, 0) < 0) die("waitpid");
  return status ? 1 : 0;
}

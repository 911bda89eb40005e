// vdagent-session: the agent of a graphical session, without one: tells spice-vdagentd of a screen, on which the daemon
// opens its port. It takes the host's clipboard whenever the host has something, and then offers it back.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// spice-vdagent, src/vdagentd-proto.h and src/udscs.c: a header, then its data, in the machine's byte order.
enum { guest_xorg_resolution = 0, clipboard_grab = 2, clipboard_request = 3, clipboard_data = 4 };
enum { utf8_text = 1 };  // spice-protocol, spice/vd_agent.h: VD_AGENT_CLIPBOARD_UTF8_TEXT

struct header {
  uint32_t type, arg1, arg2, size;
};

struct screen {
  int width, height, x, y, display_id;
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int connect_to_daemon(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int daemon = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  // It may not listen yet.
  for (int tries = 0; connect(daemon, (struct sockaddr *)&address, sizeof address) < 0; tries++) {
    if (tries == 500) fail(path);
    usleep(20000);
  }
  return daemon;
}

static void put(int daemon, const void *bytes, size_t count) {
  if (send(daemon, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) fail("send");
}

static void send_message(int daemon, uint32_t type, uint32_t arg1, uint32_t arg2, const void *data, size_t size) {
  struct header header = {type, arg1, arg2, (uint32_t)size};
  put(daemon, &header, sizeof header);
  put(daemon, data, size);
}

static void receive(int daemon, void *bytes, size_t count) {
  ssize_t got = count ? recv(daemon, bytes, count, MSG_WAITALL) : 0;
  if (got == 0 && count > 0) exit(0);
  if (got != (ssize_t)count) fail("recv");
}

int main(int argc, char **argv) {
  int daemon = connect_to_daemon(argc > 1 ? argv[1] : "/run/spice-vdagentd/spice-vdagent-sock");
  struct screen screen = {.width = 1024, .height = 768};
  static uint8_t clipboard[1 << 20];
  uint32_t held = 0, text = utf8_text;
  send_message(daemon, guest_xorg_resolution, 1024, 768, &screen, sizeof screen);
  for (struct header header;;) {
    static uint8_t data[sizeof clipboard];
    receive(daemon, &header, sizeof header);
    if (header.size > sizeof data) fail("too long a message");
    receive(daemon, data, header.size);
    printf("message %u, %u bytes\n", header.type, header.size);
    fflush(stdout);
    switch (header.type) {
      case clipboard_grab: send_message(daemon, clipboard_request, header.arg1, text, NULL, 0); break;
      case clipboard_data:
        held = header.size;
        memcpy(clipboard, data, held);
        send_message(daemon, clipboard_grab, header.arg1, 0, &text, sizeof text);
        break;
      case clipboard_request: send_message(daemon, clipboard_data, header.arg1, text, clipboard, held); break;
    }
  }
}

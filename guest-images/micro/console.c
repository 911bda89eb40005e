/* A virtio console (virtio 1.2, 5.3): bring-up, one port opened by name, lines echoed. */
#include "console.h"

#define MAX_PORTS 32

enum { FEATURE_SIZE = 0, FEATURE_MULTIPORT = 1, FEATURE_EMERGENCY_WRITE = 2 };
enum {
  DEVICE_READY = 0, DEVICE_ADD = 1, DEVICE_REMOVE = 2, PORT_READY = 3, CONSOLE_PORT = 4, RESIZE = 5,
  PORT_OPEN = 6, PORT_NAME = 7
};
enum { CONTROL_RECEIVE = 2, CONTROL_TRANSMIT = 3 };

struct control {
  u32 id;
  u16 event, value;
  char name[BUFFER_SIZE - 8];
};

struct virtio device;
static struct {
  char name[64];
  u8 present, console, host_open;
} ports[MAX_PORTS];
u32 port; /* the one the scenario uses */
char last_line[64];

static int multiport(void) { return device.features >> FEATURE_MULTIPORT & 1; }

/* Port 0 has queues 0 and 1, port n queues 2n + 2 and 2n + 3 (5.3.2). */
struct queue *receive_queue(u32 number) { return &queues[number ? 2 * number + 2 : 0]; }
struct queue *transmit_queue(u32 number) { return &queues[number ? 2 * number + 3 : 1]; }

static void fill(struct queue *queue) {
  for (u16 index = 0; index < QUEUE_SIZE; index++) queue_post(queue, index, BUFFER_SIZE, DESCRIPTOR_WRITE);
  queue_notify(queue);
}

static void refill(struct queue *queue, u16 index) {
  queue_post(queue, index, BUFFER_SIZE, DESCRIPTOR_WRITE);
  queue_notify(queue);
}

static void send_control(u32 id, u16 event, u16 value) {
  struct {
    u32 id;
    u16 event, value;
  } message = {id, event, value};
  queue_send(&device, &queues[CONTROL_TRANSMIT], &message, sizeof message);
}

static void handle(const struct control *message, u32 length) {
  u32 id = message->id;
  if (length < 8 || id >= MAX_PORTS) fail("bad control message of %u bytes for port %u", length, id);
  switch (message->event) {
    case DEVICE_ADD:
      print("port %u added\n", id);
      ports[id].present = 1;
      fill(receive_queue(id));
      send_control(id, PORT_READY, 1);
      break;
    case DEVICE_REMOVE:
      print("port %u removed\n", id);
      ports[id].present = 0;
      break;
    case CONSOLE_PORT:
      print("port %u is a console\n", id);
      ports[id].console = 1;
      send_control(id, PORT_OPEN, 1);
      break;
    case RESIZE: print("port %u resized\n", id); break;
    case PORT_OPEN:
      print("port %u host %s\n", id, message->value ? "open" : "closed");
      ports[id].host_open = message->value != 0;
      break;
    case PORT_NAME: {
      u32 count = length - 8 < sizeof ports[id].name - 1 ? length - 8 : sizeof ports[id].name - 1;
      memcpy(ports[id].name, message->name, count);
      ports[id].name[count] = '\0';
      print("port %u named %s\n", id, ports[id].name);
      break;
    }
    default: fail("unknown control event %u", (u32)message->event);
  }
}

static int control_ready(void) { return multiport() && queue_ready(&queues[CONTROL_RECEIVE]); }
static int anything_ready(void) { return control_ready() || queue_ready(receive_queue(port)); }

/* Handles every control message there is. A copy is handled: sending replies may take a while. */
static void drain_control(void) {
  static struct control message;
  while (control_ready()) {
    u32 length;
    u16 index = queue_take(&queues[CONTROL_RECEIVE], &length);
    memcpy(&message, queues[CONTROL_RECEIVE].buffers[index], length < sizeof message ? length : sizeof message);
    refill(&queues[CONTROL_RECEIVE], index);
    handle(&message, length);
  }
}

static int find_port(const char *name) {
  for (u32 id = 0; id < MAX_PORTS; id++)
    if (ports[id].present && strlen(ports[id].name) == strlen(name) && !memcmp(ports[id].name, name, strlen(name)))
      return (int)id;
  return -1;
}

/* What a hasty driver does: its first buffers are there, and told of, before it is ready. */
static void hurry(void) {
  static const struct {
    u32 id;
    u16 event, value;
  } ready = {~0u, DEVICE_READY, 1};
  fill(&queues[CONTROL_RECEIVE]);
  struct queue *queue = &queues[CONTROL_TRANSMIT];
  memcpy(queue->buffers[0], &ready, sizeof ready);
  queue_post(queue, 0, sizeof ready, 0);
  write16(queue->notify, queue->number);
}

void bring_up_with(u64 wanted, int hasty) {
  wanted |= 1ull << FEATURE_VERSION_1 | 1ull << FEATURE_EMERGENCY_WRITE;
  if (!option_is("multiport", "no")) wanted |= 1ull << FEATURE_MULTIPORT;
  memset(ports, 0, sizeof ports);
  port = 0;
  virtio_open(&device, (u16)option_number("id", 0x1043));
  virtio_negotiate(&device, wanted);
  if (!multiport()) device.queue_count = 2;
  virtio_start(&device, hasty ? hurry : 0);
  if (option_is("emergency", "yes")) {
    if (!(device.features >> FEATURE_EMERGENCY_WRITE & 1)) fail("no emergency write");
    for (const char *at = "help!\n"; *at; at++) write32(device.device + 8, (u8)*at);
  }
  if (hasty) {
    struct queue *queue = &queues[CONTROL_TRANSMIT];
    while (!queue_ready(queue)) pause();
    queue_take(queue, 0);
  } else if (multiport()) {
    print("max ports %u\n", read32(device.device + 4));
    fill(&queues[CONTROL_RECEIVE]);
    send_control(~0u, DEVICE_READY, 1);
  } else {
    fill(receive_queue(0));
  }
  print("ready\n");
}

void bring_up(void) { bring_up_with(0, option_is("early", "yes")); }

void open_number(u32 number) { send_control(number, PORT_OPEN, 1); }

void open_port(void) {
  char name[64];
  option_text("port", name, sizeof name);
  if (!multiport()) return;
  int found = name[0] ? find_port(name) : ports[0].present ? 0 : -1;
  while (found < 0) {
    virtio_wait(&device, control_ready);
    drain_control();
    found = name[0] ? find_port(name) : ports[0].present ? 0 : -1;
  }
  port = (u32)found;
  if (!ports[port].console) send_control(port, PORT_OPEN, 1);
  print("port %u opened\n", port);
  if (!option_is("wait", "host")) return;
  while (!ports[port].host_open) {
    virtio_wait(&device, control_ready);
    drain_control();
  }
}

static char text[1024];

static void send_text(const char *prefix, const char *what, u32 length) {
  static char out[BUFFER_SIZE];
  u32 used = (u32)strlen(prefix);
  memcpy(out, prefix, used);
  if (length > BUFFER_SIZE - used - 1) length = BUFFER_SIZE - used - 1;
  memcpy(out + used, what, length);
  used += length;
  out[used++] = '\n';
  queue_send(&device, transmit_queue(port), out, used);
}

/* In two buffers, the first of which ends in the middle of a word. */
static void send_in_two(const char *what) {
  queue_send(&device, transmit_queue(port), what, 24);
  send_text("", what + 24, (u32)strlen(what) - 24);
}

/* Answers `lines` lines with "echo " and the same. A line longer than the buffer is cut in two. */
static void echo(u32 lines) {
  u32 count = 0;
  while (lines) {
    virtio_wait(&device, anything_ready);
    drain_control();
    struct queue *queue = receive_queue(port);
    while (lines && queue_ready(queue)) {
      u32 length;
      u16 index = queue_take(queue, &length);
      for (u32 i = 0; i < length && i < BUFFER_SIZE; i++) {
        char character = (char)queue->buffers[index][i];
        if (character != '\n' && count < sizeof text - 1) {
          text[count++] = character;
          continue;
        }
        text[count] = '\0';
        print("line %s\n", text);
        memcpy(last_line, text, count + 1 < sizeof last_line ? count + 1 : sizeof last_line - 1);
        send_text("echo ", text, count);
        count = 0;
        if (lines) lines--;
      }
      refill(queue, index);
    }
  }
}

void close_port(void) {
  if (multiport() && !ports[port].console) send_control(port, PORT_OPEN, 0);
  u32 interrupts = 0;
  for (u32 vector = FIRST_VECTOR; vector <= FIRST_VECTOR + MAX_QUEUES; vector++)
    interrupts += interrupt_counts[vector];
  print("port %u closed, interrupts %s\n", port, interrupts ? "came" : "none");
  virtio_reset(&device);
  interrupt_hook = 0;
}

/* device=N mode=poll|msix|intx|pic multiport=no emergency=yes early=yes port=NAME wait=host send=WORD say=WHAT echo=LINES
   move=yes times=N: brings the device up, opens the port, sends the word as a line, echoes that many lines
   (and, with move=yes, as many again with the BAR elsewhere), closes and resets; the whole `times` times. */
void scenario_console(void) {
  for (u32 times = (u32)option_number("times", 1); times; times--) {
    char word[128];
    bring_up();
    open_port();
    option_text("send", word, sizeof word);
    if (word[0]) send_text("", word, (u32)strlen(word));
    if (option("say")) send_in_two(kernel_message());
    echo((u32)option_number("echo", 0));
    if (option_is("move", "yes")) {
      virtio_move(&device);
      echo((u32)option_number("echo", 0));
    }
    close_port();
  }
}

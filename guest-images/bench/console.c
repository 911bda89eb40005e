/* See bench.h; virtio 1.2, 5.3. */
#include "bench.h"

enum { DEVICE_READY = 0, DEVICE_ADD = 1, PORT_READY = 3, PORT_OPEN = 6 };
enum { CONTROL_BUFFERS = 32, CONTROL_BUFFER_SIZE = 64 };

struct control {
  u32 id;
  u16 event, value;
  char name[CONTROL_BUFFER_SIZE - 8];
};

static struct ring *const control_receive = &rings[2], *const control_transmit = &rings[3];
static struct control incoming[CONTROL_BUFFERS];

/* Port 0 has queues 0 and 1, port n queues 2n + 2 and 2n + 3 (5.3.2). */
struct ring *receive_ring(u32 port) { return &rings[port ? 2 * port + 2 : 0]; }
struct ring *transmit_ring(u32 port) { return &rings[port ? 2 * port + 3 : 1]; }

static void send_control(u32 id, u16 event, u16 value) {
  static struct control message;
  message.id = id;
  message.event = event;
  message.value = value;
  control_transmit->descriptors[0] = (struct descriptor){(u64)&message, 8, 0, 0};
  ring_post(control_transmit, 0);
  ring_publish(control_transmit);
  while (!ring_ready(control_transmit)) pause();
  ring_take(control_transmit);
}

void console_open(u32 count) {
  static u32 added[MAX_PORTS];
  u32 answered = 0, add_count = 0;
  u16 buffers = control_receive->size < CONTROL_BUFFERS ? control_receive->size : CONTROL_BUFFERS;
  for (u16 i = 0; i < buffers; i++) {
    control_receive->descriptors[i] = (struct descriptor){(u64)&incoming[i], CONTROL_BUFFER_SIZE, DESCRIPTOR_WRITE, 0};
    ring_post(control_receive, i);
  }
  ring_publish(control_receive);
  send_control(~0u, DEVICE_READY, 1);
  for (u32 open = 0; open < count;) {
    if (ring_ready(control_receive)) {
      u16 index = (u16)ring_take(control_receive).id;
      const struct control *message = &incoming[index];
      int wanted = message->id >= 1 && message->id <= count;
      if (wanted && message->event == DEVICE_ADD && add_count < MAX_PORTS) added[add_count++] = message->id;
      if (wanted && message->event == PORT_OPEN && message->value) open++;
      ring_post(control_receive, index);
      ring_publish(control_receive);
    } else if (answered < add_count) {
      /* One at a time: an answer brings more messages, and QEMU drops those it finds no buffer for. */
      send_control(added[answered], PORT_READY, 1);
      send_control(added[answered++], PORT_OPEN, 1);
    } else {
      pause();
    }
  }
}

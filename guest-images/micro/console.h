/* The virtio console (virtio 1.2, 5.3) as its scenarios use it. */
#ifndef MICRO_CONSOLE_H
#define MICRO_CONSOLE_H

#include "virtio.h"

extern struct virtio device;
extern u32 port; /* the one the scenario uses */

struct queue *receive_queue(u32 number);
struct queue *transmit_queue(u32 number);
/* Brings the device up, with these features besides the usual ones; `hasty`: the first buffers come before
   DRIVER_OK. */
void bring_up_with(u64 wanted, int hasty);
void bring_up(void);
/* Waits until the port named by port=NAME is there, and opens it. Without a name: port 0. */
void open_port(void);
/* Opens the port of this number, which is there. */
void open_number(u32 number);
/* Closes it and resets the device. */
void close_port(void);

#endif

/*
 * Frames that arrive at an interface, read from memory shared with the kernel (packet(7),
 * TPACKET_V2): it does not count against socket buffers, whose limit only the machine's own root
 * can raise, and frames are changed and sent on in place.
 */
#ifndef WEFT_TOOLS_RING_H
#define WEFT_TOOLS_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
  int fd; /* for poll, and for sending frames out of this interface */
  uint8_t *memory;
  size_t slot_bytes;
  unsigned slots, next, taken;
};

struct ring_frame {
  uint8_t *bytes;
  size_t length;   /* on the wire */
  size_t captured; /* less if it is longer than the interface's MTU allows */
};

/* Ends the process, naming the interface, if it cannot. */
void ring_open(struct ring *ring, const char *interface);
/* 1 and the next frame, or 0. It stays as it is until ring_release. */
int ring_take(struct ring *ring, struct ring_frame *frame);
/* Gives all frames taken back to the kernel. */
void ring_release(struct ring *ring);
/* Frames that the kernel dropped since the last call because the ring was full. */
uint64_t ring_drops(struct ring *ring);

#endif

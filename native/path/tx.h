/*
 * From the TUN device to the underlay.
 *
 *   TUN queue ──► parse ──► route ──► TTL ─┬─► whole packet ───────► batch (tx-batch.h)
 *                                          ├─► segments (TSO, USO) ─►   └──► UDP socket (send.h)
 *                                          └─► fragments, or ICMP "too big"
 */
#ifndef WEFT_TX_H
#define WEFT_TX_H

struct weft_worker;

/* Moves packets that wait in the TUN queue, up to a fair share. Returns how many reads had one. */
unsigned weft_tx_drain(struct weft_worker *worker);

#endif

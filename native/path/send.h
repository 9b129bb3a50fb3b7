/*
 * Sends the runs of a batch. A run that the kernel rejects as a whole is sent datagram by datagram.
 * A datagram that exceeds the path MTU is left in `worker->tx.oversized`, for tx.c to fragment.
 *
 *   sendmmsg ──accepted──► counted
 *      └─rejected─► retry once ─rejected─► one by one ──► counted
 *                                             ├─ EMSGSIZE ──► path MTU learned ──► oversized
 *                                             └─ other errors ──► drop counters
 */
#ifndef WEFT_SEND_H
#define WEFT_SEND_H

struct weft_worker;

/* Sends all runs and empties the batch. */
void weft_send_runs(struct weft_worker *worker);

/* Sends all runs but the last, which stays open for more datagrams. */
void weft_send_all_but_last_run(struct weft_worker *worker);

#endif

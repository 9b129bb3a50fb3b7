/*
 * From the underlay to the TUN device.
 *
 *   UDP socket ──recvmmsg──► datagrams ──► encapsulation ──► parse ──► source ──► ECN ──► deliver.h
 */
#ifndef WEFT_RX_H
#define WEFT_RX_H

struct weft_worker;

/*
 * Moves datagrams that wait at the socket, up to a fair share. Returns the number of messages
 * received.
 */
unsigned weft_rx_drain(struct weft_worker *worker);

#endif

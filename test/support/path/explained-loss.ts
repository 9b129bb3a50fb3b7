// How many datagrams the kernel's drop counters explain. Pure.

/**
 * Datagrams in one buffer at most: the path sends 64 at once (WEFT_TX_MAX_SEGMENTS), whatever one send of its user
 * carried, and joins 64 (WEFT_MAX_COALESCED) as GRO does (UDP_GRO_CNT_MAX).
 */
const MAX_DATAGRAMS_PER_BUFFER = 64;

/** Buffers that the kernel dropped; its counters count a buffer once, however many datagrams it carries. */
export interface Drops {
  /** In the queue of the overlay device: each is one send. */
  readonly sends: number;
  /** On the underlay: each may be a batch of the path. */
  readonly batches: number;
  /** At the receiving socket. */
  readonly overflow: number;
}

/** How datagrams were sent and received. */
export interface Traffic {
  /** Datagrams of one send; default 1. */
  readonly segments?: number;
  /** The receiver has UDP_GRO; the kernel cuts what comes joined before it queues it to a socket without. */
  readonly gro?: boolean;
}

/** Datagrams that were lost at most. */
export function explainedLoss(drops: Drops, { segments = 1, gro = false }: Traffic): number {
  const received = drops.overflow * (gro ? MAX_DATAGRAMS_PER_BUFFER : 1);
  return drops.sends * segments + drops.batches * MAX_DATAGRAMS_PER_BUFFER + received;
}

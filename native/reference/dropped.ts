// Drop reasons: the names of the counters in native/packet/counters.h.

export type DropReason =
  | 'dropTxMalformed'
  | 'dropTxTooBig'
  | 'dropRxHeader'
  | 'dropRxVni'
  | 'dropRxMac'
  | 'dropRxNotIp'
  | 'dropRxMalformed'
  | 'dropRxEcn';

export interface Dropped {
  readonly drop: DropReason;
}

export function isDropped(result: object): result is Dropped {
  return 'drop' in result;
}

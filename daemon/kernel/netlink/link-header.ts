// struct ifinfomsg, the fixed header of RTM_*LINK (rtnetlink(7)): family u8, pad u8, type u16,
// index i32, flags u32, change u32.
import { IFF_UP, RTM_NEWLINK } from './constants.ts';
import type { MessageWriter } from './message.ts';

/** Bytes of `struct ifinfomsg`. */
export const IFINFO_BYTES = 16;

export interface LinkHeader {
  /** 0: the kernel picks it, or the message does not name a device by index. */
  readonly index: number;
  /** Default RTM_NEWLINK. */
  readonly type?: number;
  /** NLM_F_*; default none. */
  readonly flags?: number;
  /** IFF_* to set; default none. */
  readonly interfaceFlags?: number;
  /** IFF_* that `interfaceFlags` decide; the others stay. */
  readonly interfaceChange?: number;
}

/** Part of a {@link LinkHeader} that sets the device up. */
export const LINK_UP = { interfaceFlags: IFF_UP, interfaceChange: IFF_UP } as const;

/** Begins a message on links. */
export function beginLink(writer: MessageWriter, header: LinkHeader): void {
  const { index, type = RTM_NEWLINK, flags = 0, interfaceFlags = 0, interfaceChange = 0 } = header;
  const at = writer.begin(type, flags, IFINFO_BYTES);
  writer.writeU32(at + 4, index);
  writer.writeU32(at + 8, interfaceFlags);
  writer.writeU32(at + 12, interfaceChange);
}

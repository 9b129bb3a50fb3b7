// The interface to WireGuard devices, the same for each program that serves one: the kernel by generic netlink, or a
// userspace program by its socket.
import type { Outcome } from '../netlink/outcome.ts';
import type {
  WireguardDeviceChange,
  WireguardDeviceMessage,
  WireguardPeerChange,
} from './wireguard-model.ts';

/** One change of a peer. Removal of an absent peer is success. */
export type WireguardPeerStep =
  | { readonly action: 'set'; readonly peer: WireguardPeerChange }
  | { readonly action: 'remove'; readonly publicKey: string };

export interface WireguardControl {
  /** `undefined` without such a device. @throws KernelReadError */
  read(name: string): Promise<WireguardDeviceMessage | undefined>;
  /** Sets key and port; peers stay. Never rejects. */
  setDevice(name: string, change: WireguardDeviceChange): Promise<Outcome>;
  /** One outcome a step; a rejected step does not stop the rest. Never rejects. */
  applyPeers(name: string, steps: readonly WireguardPeerStep[]): Promise<readonly Outcome[]>;
  close(): void;
}

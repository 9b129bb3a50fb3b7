// Names and ports of WireGuard devices. Slot 0 has flannel's names and the ports of the config. A
// host that changes its key needs a second device for a moment, of another name and port: slot 1,
// and the next change goes back to slot 0.
import type { Family } from '../../lib/address.ts';
import type { BackendConfig, WireguardConfig } from '../../allocator/config/config.ts';

/** As many generations of keys as a host may keep at once. */
export const SLOTS = 5;
const MAX_PORT = 65_535;

type SlotConfig = Pick<WireguardConfig, 'listenPort' | 'listenPortV6' | 'mode' | 'slot'>;

/** `flannel-wg`, `flannel-wg-v6`; in slot 1 `flannel-wg.1`, `flannel-wg-v6.1`. One for both families but with Mode separate. */
export function wireguardDeviceName({ mode, slot = 0 }: SlotConfig, family: Family): string {
  const name = family === 4 || mode !== 'separate' ? 'flannel-wg' : 'flannel-wg-v6';
  return slot === 0 ? name : `${name}.${slot}`;
}

/** UDP port of the device that carries `family`. */
export function wireguardPort(config: SlotConfig, family: Family): number {
  const { listenPort, listenPortV6, mode, slot = 0 } = config;
  const base = family === 4 || mode !== 'separate' ? listenPort : listenPortV6;
  const offset = slot * stepOf(config);
  return base + offset <= MAX_PORT ? base + offset : base - offset;
}

/** The slot of a published port of `family`; 0 if it is of none. */
export function slotOfPort(config: SlotConfig, family: Family, port: number): number {
  for (let slot = 1; slot < SLOTS; slot++)
    if (wireguardPort({ ...config, slot }, family) === port) return slot;
  return 0;
}

/** First slot that none of `others` has. */
export function freeSlot(others: readonly BackendConfig[]): number {
  const taken = new Set(others.map((other) => (other.type === 'wireguard' ? (other.slot ?? 0) : -1)));
  for (let slot = 0; slot < SLOTS; slot++) if (!taken.has(slot)) return slot;
  return 0;
}

/** Distance of slots: 2, or more if a port of one family would be that of another slot's other family. */
function stepOf({ listenPort, listenPortV6 }: SlotConfig): number {
  const distance = Math.abs(listenPort - listenPortV6);
  let step = 2;
  while (distance % step === 0 && distance / step < SLOTS) step++;
  return step;
}

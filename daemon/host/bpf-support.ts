// Whether the kernel can have the BPF fast path at all. What else it needs shows when it is loaded.
import type { InterfaceOptions } from './interface-facts.ts';

/** Since Linux 5.12 the host's FIB reports the MTU of the interface to a program. */
const FIRST = [5, 12] as const;

/** The options of a host with the kernel `release`, for example `5.10.0-28-amd64`. */
export function withBpfSupport(options: InterfaceOptions, release: string): InterfaceOptions {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  const isNewEnough = major > FIRST[0] || (major === FIRST[0] && minor >= FIRST[1]);
  return isNewEnough ? options : { ...options, isBpfOff: true };
}

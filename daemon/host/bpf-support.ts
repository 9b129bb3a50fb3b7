// Whether the kernel can have the BPF fast path at all. What else it needs shows when it is loaded.
import type { InterfaceOptions } from './interface-facts.ts';

/** Linux 6.6 has the links of programs to interfaces (TCX). */
const FIRST = [6, 6] as const;

/** The options of a host with the kernel `release`, for example `6.1.0-28-amd64`. */
export function withBpfSupport(options: InterfaceOptions, release: string): InterfaceOptions {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  const isNewEnough = major > FIRST[0] || (major === FIRST[0] && minor >= FIRST[1]);
  return isNewEnough ? options : { ...options, isBpfOff: true };
}

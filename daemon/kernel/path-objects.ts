// Conversions between kernel objects and the packet path, and rejections on its devices. Pure but
// for {@link attempt}.
import type { TunLink, PathRouteObject } from '../../backends/kernel-state.ts';
import type { PathDevice, PathRoute } from '../../native/packet-path.ts';
import type { LinkMessage } from './netlink/link.ts';
import { cannotChange, DONE, type Outcome, rejection } from './netlink/outcome.ts';

/** Whether `link` is a TUN device that a process has open: its removal would break that process. */
export function isInUse(link: LinkMessage): boolean {
  return link.kind === 'tun' && link.hasCarrier;
}

/** Rejection of the removal of a TUN device that another process serves. */
export function rejectInUse(name: string): Outcome {
  return rejection('EBUSY', `${name} is a TUN device that another process has open`);
}

/** The device that `link` describes. */
export function toDevice({ name, encapsulation, local, port, vni, mac }: TunLink): PathDevice {
  return { name, encapsulation, local, port, ...(encapsulation === 'vxlan' && { vni, mac }) };
}

/** The route of the packet path that `route` describes, on `device`. */
export function toPathRoute(
  { destination, remote, port, mac, needsSegments, acceptsZeroChecksum }: PathRouteObject,
  { encapsulation }: PathDevice,
): PathRoute {
  const marks = {
    ...(needsSegments && { needsSegments }),
    ...(acceptsZeroChecksum && { acceptsZeroChecksum }),
  };
  return { destination, remote, port, ...(encapsulation === 'vxlan' && { mac }), ...marks };
}

/** Compares the settings that a device keeps for its lifetime. */
export function checkFixed(link: TunLink, device: PathDevice): Outcome {
  const want = toDevice(link);
  const fixed = (['encapsulation', 'local', 'port', 'vni', 'mac'] as const).filter(
    (name) => want[name] !== device[name],
  );
  if (fixed.length === 0) return DONE;
  const differences = fixed.map((name) => `${name} ${device[name]} instead of ${want[name]}`).join(', ');
  return cannotChange(link.name, differences);
}

/**
 * Runs a call of the packet path; an error with a `code` is a rejection.
 * @throws any other error
 */
export function attempt(call: () => void): Outcome {
  try {
    call();
    return DONE;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return rejection(code, message);
  }
}

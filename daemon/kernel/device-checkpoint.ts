// Checkpoint of a device of the packet path: its last settings and routes as text, with which the
// next process resumes the device before it has read anything else. A truncated text, or one of
// another version, is invalid. Pure.
import { createHash } from 'node:crypto';
import type { PacketPath, PathDevice, PathRoute } from '../../native/packet-path.ts';

/** The last state of a device. */
export interface DeviceCheckpoint {
  readonly device: PathDevice;
  readonly settings: Parameters<PacketPath['configure']>[1];
  readonly routes: readonly PathRoute[];
}

/** Raised with each change of the format: an older text is invalid then. */
const VERSION = 1;

/** Two lines: the SHA-256 digest of the second one in hex, and JSON. */
export function encodeCheckpoint({ device, settings, routes }: DeviceCheckpoint): string {
  const body = JSON.stringify({ version: VERSION, device, settings, routes });
  return `${digestOf(body)}\n${body}\n`;
}

/** `undefined` if `text` is invalid. Ignores what follows the second line. */
export function decodeCheckpoint(text: string): DeviceCheckpoint | undefined {
  const [digest, body = ''] = text.split('\n');
  if (digest !== digestOf(body)) return undefined;
  const { version, ...checkpoint } = JSON.parse(body) as DeviceCheckpoint & { readonly version: number };
  return version === VERSION ? checkpoint : undefined;
}

function digestOf(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}

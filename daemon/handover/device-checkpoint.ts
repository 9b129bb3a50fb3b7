// What a device of the packet path was told last, as text for the next process: with it that one serves at once, before it has
// asked anybody. A text that was cut short, or that another version wrote, is none. Pure.
import { createHash } from 'node:crypto';
import type { PacketPath, PathDevice, PathRoute } from '../../native/packet-path.ts';

export interface DeviceCheckpoint {
  readonly device: PathDevice;
  readonly settings: Parameters<PacketPath['configure']>[1];
  readonly routes: readonly PathRoute[];
}

/** Raised with each change of the format. */
const VERSION = 1;

/** A line with the digest of the next one, which has everything. */
export function encodeCheckpoint({ device, settings, routes }: DeviceCheckpoint): string {
  const body = JSON.stringify({ version: VERSION, device, settings, routes });
  return `${digestOf(body)}\n${body}\n`;
}

export function decodeCheckpoint(text: string): DeviceCheckpoint | undefined {
  const [digest, body = ''] = text.split('\n');
  if (digest !== digestOf(body)) return undefined;
  const { version, ...record } = JSON.parse(body) as DeviceCheckpoint & { readonly version: number };
  return version === VERSION ? record : undefined;
}

function digestOf(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}

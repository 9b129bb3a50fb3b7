// Reads the fields of the backend wireguard.
import { Secret } from '../../lib/secret.ts';
import { fingerprint, parseWireguardKey } from '../../lib/wireguard-key.ts';
import type { ConfigFields } from './config-document.ts';
import { wireguardOnlyFields } from './config-schema.ts';
import type { BackendFieldName } from './config-schema.ts';
import type { WireguardConfig } from './config.ts';

type BackendFields = ConfigFields<BackendFieldName>;

/** Two generations of keys live side by side for some seconds. */
const MIN_ROTATION_SEC = 60;

/** What a document with the type wireguard and nothing else means. */
export const DEFAULT_WIREGUARD: WireguardConfig = {
  type: 'wireguard',
  pskId: '',
  listenPort: wireguardOnlyFields.ListenPort.default as number,
  listenPortV6: wireguardOnlyFields.ListenPortV6.default as number,
  mode: 'separate',
  keepaliveSec: 0,
  keyEpoch: 0,
  rotateAfterSec: 0,
};

/** Reads the fields; `mtu` is read by the caller, as of other backends. */
export function parseWireguard(
  fields: BackendFields,
  mtu: number | undefined,
  isIpv6Enabled: boolean,
): WireguardConfig {
  const numberOf = (name: keyof typeof wireguardOnlyFields): number =>
    fields.integer(name) ?? Number(wireguardOnlyFields[name].default);
  const [listenPort, listenPortV6] = [numberOf('ListenPort'), numberOf('ListenPortV6')];
  const mode = fields.choice('Mode', ['separate', 'auto', 'ipv4', 'ipv6']) ?? 'separate';
  if (isIpv6Enabled && mode === 'separate' && listenPort === listenPortV6)
    fields.error('ListenPortV6', `must differ from ListenPort (${listenPort}): each family has a device`);
  const rotateAfterSec = numberOf('RotateAfter');
  return {
    type: 'wireguard',
    ...parsePsk(fields),
    listenPort,
    listenPortV6,
    ...(mtu !== undefined && { mtu }),
    mode,
    keepaliveSec: numberOf('PersistentKeepaliveInterval'),
    keyEpoch: numberOf('KeyEpoch'),
    rotateAfterSec: rotateAfterSec === 0 ? 0 : Math.max(rotateAfterSec, MIN_ROTATION_SEC),
  };
}

function parsePsk(fields: BackendFields): Pick<WireguardConfig, 'psk' | 'pskId'> {
  const text = fields.string('PSK') ?? '';
  if (text === '') return { pskId: '' };
  const key = parseWireguardKey(text);
  if (key !== undefined) return { psk: new Secret(text), pskId: fingerprint(key) };
  fields.error('PSK', 'must be 32 bytes in base64: make one with openssl rand -base64 32');
  return { pskId: '' };
}

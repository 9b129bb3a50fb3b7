// Checks of the backend wireguard: a program or module for it, the key file, published keys, and
// whether peers answer handshakes.
import { parseWireguardData } from '../../../backends/wireguard/wireguard-backend-data.ts';
import type { Lease } from '../../../allocator/lease.ts';
import { parseWireguardKey } from '../../../lib/wireguard-key.ts';
import type { DeviceV1 } from '../../../api/index.ts';
import { labelOf, truncate, type Check, type Found } from '../check.ts';
import type { Facts } from '../facts.ts';
import { shellWord } from '../text/shell-word.ts';

const DEFAULT_KEY_FILE = 'run/flannel/wgkey';

/** A check that runs where the network's backend is wireguard. */
function wireguardCheck(id: string, about: string, run: (facts: Facts) => Promise<readonly Found[]>): Check {
  return {
    id,
    about: `with wireguard: ${about}`,
    run: async (facts) => {
      const [config, status] = await Promise.all([facts.config, facts.status]);
      const backend = status?.network?.backend ?? config?.backend.type;
      return backend === 'wireguard' ? run(facts) : [];
    },
  };
}

const missing = wireguardCheck(
  'wireguard-missing',
  'whether kernel or a program has WireGuard',
  async (facts) => {
    const devices = await wireguardDevices(facts);
    if (devices.length > 0 || (await facts.file('sys/module/wireguard/initstate')) !== undefined) return [];
    const [module, ...programs] = await Promise.all([
      facts.program('modprobe', '-n', 'wireguard'),
      facts.program('wireguard-go', '--version'),
      facts.program('boringtun-cli', '--version'),
    ]);
    if (module !== undefined || programs.some((text) => text !== undefined)) return [];
    return [
      {
        severity: 'error',
        title: 'Neither the kernel nor a program of this host has WireGuard',
        evidence: ['modprobe -n wireguard fails', 'wireguard-go and boringtun-cli are not installed'],
        impact: 'The daemon cannot make its device: this host is not part of the network',
        fix: 'install a kernel with the module wireguard (Linux 5.6), or apt-get install wireguard-go, which needs /dev/net/tun',
      },
    ];
  },
);

const keyFile = wireguardCheck(
  'wireguard-key-file',
  'whether the private key can be read, by its owner alone',
  async (facts) => {
    const file = await keyFileOf(facts);
    const listing = await facts.program('stat', '-c', '%a %U', facts.path(file));
    // Without the file the daemon makes one.
    if (listing === undefined) return [];
    const mode = Number.parseInt(listing, 8);
    const text = await facts.file(file.replace(/^\//, ''));
    if (text === undefined || parseWireguardKey(text.trim()) === undefined)
      return [
        {
          severity: 'error',
          title: `The private key of WireGuard in ${file} cannot be used`,
          evidence: [
            text === undefined ? `${file} cannot be read` : `${file} does not hold 32 bytes in base64`,
          ],
          impact: 'The daemon does not start with the backend wireguard',
          fix: `as root: rm ${shellWord(file)}, and systemctl restart weft makes another key; peers follow`,
        },
      ];
    if ((mode & 0o077) === 0) return [];
    return [
      {
        severity: 'warning',
        title: `The private key of WireGuard in ${file} is readable by others than its owner`,
        evidence: [`stat ${file}: ${listing.trim()}`],
        impact: 'Whatever reads it can decrypt and forge packets of this host',
        fix: `chmod 600 ${shellWord(file)}; then weft wireguard rotate, if others may have read it`,
      },
    ];
  },
);

/** The file of the generation in force. */
async function keyFileOf(facts: Facts): Promise<string> {
  const named = facts.options?.options['wireguardKeyFile'];
  const file = typeof named === 'string' ? named : `/${DEFAULT_KEY_FILE}`;
  const epoch = (await ownLeaseOf(facts))?.attributes.weft?.keyEpoch ?? 0;
  return epoch === 0 ? file : `${file}.${epoch}`;
}

async function ownLeaseOf(facts: Facts): Promise<Lease | undefined> {
  const [status, leases] = await Promise.all([facts.status, facts.leases]);
  return leases.find(({ key }) => key === status?.lease?.key);
}

const published = wireguardCheck(
  'wireguard-key',
  'whether the published key is that of the device',
  async (facts) => {
    const [own, devices] = await Promise.all([ownLeaseOf(facts), wireguardDevices(facts)]);
    const key = own && keyOf(own);
    const keys = devices.flatMap(({ tunnel }) => tunnel?.publicKey ?? []);
    if (key === undefined || keys.length === 0 || keys.includes(key)) return [];
    return [
      {
        severity: 'error',
        title: 'The lease of this host names another key than its device has',
        evidence: [`published: ${key}`, `${devices[0]?.name}: ${keys.join(', ')}`],
        impact: 'Peers send packets that this host cannot decrypt',
        fix: 'systemctl restart weft; if it comes back, another program writes the lease or sets the key of the device',
      },
    ];
  },
);

const clash = wireguardCheck('wireguard-clash', 'whether each key belongs to one host', async (facts) => {
  const byKey = new Map<string, string[]>();
  for (const lease of await facts.leases) {
    const key = keyOf(lease);
    if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), lease.key]);
  }
  const shared = [...byKey].filter(([, leases]) => leases.length > 1);
  if (shared.length === 0) return [];
  return [
    {
      severity: 'error',
      title: `${shared.length} ${shared.length === 1 ? 'key is' : 'keys are'} published by several hosts`,
      evidence: truncate(shared.map(([key, leases]) => `${key}: ${leases.join(', ')}`)),
      impact: 'A peer has one endpoint: only one of these hosts gets packets',
      fix: 'remove the key file of all but one of these hosts (a machine that was cloned has that of the other) and restart their daemons',
    },
  ];
});

/**
 * A responder drops an initiation that is not for its own key, or older than the last one. With
 * another PSK it answers by a response of 92 bytes, which the initiator cannot decrypt.
 */
const SILENT_REMEDY =
  'let the UDP ports of wireguard pass between all hosts (51820, 51821; after weft wireguard rotate 51822, 51823); then ' +
  'tcpdump -ni any udp portrange 51820-51829 on this host: packets of 92 bytes from the peer mean another "PSK" (weft config get on ' +
  'both), none that it has another key (weft doctor there), or that a clock was set back (timedatectl on both)';

const silent = wireguardCheck('wireguard-handshake', 'whether peers answer handshakes', async (facts) => {
  const peers = ((await facts.peers)?.peers ?? []).filter(({ wireguard }) => wireguard?.isSilent === true);
  if (peers.length === 0) return [];
  return [
    {
      severity: 'error',
      title: `${peers.length} ${peers.length === 1 ? 'peer answers' : 'peers answer'} no WireGuard handshake`,
      evidence: truncate(
        peers.map((peer) => {
          const { wireguard } = peer;
          const age = wireguard?.handshakeAgeSec;
          return `${labelOf(peer)} at ${wireguard?.endpoint}: ${age === undefined ? 'never' : `last ${age} s ago`}`;
        }),
      ),
      impact: 'Containers of these hosts and of this one do not reach each other',
      fix: SILENT_REMEDY,
    },
  ];
});

function keyOf({ attributes }: Lease): string | undefined {
  if (attributes.backendType !== 'wireguard') return undefined;
  const parsed = parseWireguardData(attributes.backendData ?? attributes.backendV6Data);
  return parsed.ok ? parsed.data.publicKey : undefined;
}

async function wireguardDevices(facts: Facts): Promise<readonly DeviceV1[]> {
  return ((await facts.devices)?.devices ?? []).filter(({ tunnel }) => tunnel?.type === 'wireguard');
}

export const WIREGUARD_CHECKS: readonly Check[] = [missing, keyFile, published, clash, silent];

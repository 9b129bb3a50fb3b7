// What to say of checksums that are left to network devices: from probes of this moment, and from what the daemon found and
// does about it. Pure.
import { familyOf, type IpAddress } from '../../lib/address.ts';
import type { ChecksumOffloadV1 } from '../../api/index.ts';
import type { ProbeResult } from '../../daemon/probe/checksum-probe.ts';
import { truncate, type Found } from './check.ts';

export interface PeerChecksums {
  /** Peer, for people. */
  readonly name: string;
  readonly overlay: IpAddress;
  readonly result: ProbeResult | undefined;
}

export function findChecksumFault(
  peers: readonly PeerChecksums[],
  offloads: readonly ChecksumOffloadV1[],
): Found | undefined {
  const bad = peers.filter(({ result }) => result === 'bad');
  if (bad.length === 0) return describeWorkaround(offloads);
  const family = familyOf(bad[0]!.overlay);
  const offload = offloads.find((each) => each.family === family);
  const isEverywhere = !peers.some(
    ({ result, overlay }) => result === 'good' && familyOf(overlay) === family,
  );
  return {
    severity: 'error',
    title: 'Checksums that are left to a network device arrive wrong',
    evidence: truncate(
      bad.map(
        (each) =>
          `${each.name}: answers a checksum of this host three times, and none that is left to a device`,
      ),
    ),
    impact: 'Pings pass, and TCP and UDP of containers do not',
    fix: fixFor(offload, isEverywhere),
  };
}

function fixFor(offload: ChecksumOffloadV1 | undefined, isEverywhere: boolean): string {
  const device = offload?.device ?? 'flannel.1';
  const edit = 'weft config edit: "TxChecksumOffload": "off" in "Backend", for all hosts';
  if (offload?.setting === 'on')
    return 'weft config edit: "TxChecksumOffload": "auto" in "Backend", as "on" forbids the daemon to mend it';
  if (!isEverywhere) return `${edit}, as the daemon leaves it while some peers get right ones`;
  return `wait some seconds for the daemon to turn it off; with --probe-interval=0: ethtool -K ${device} tx-checksum-ip-generic off, or ${edit}`;
}

/** The daemon did something about it, which costs throughput. */
function describeWorkaround(offloads: readonly ChecksumOffloadV1[]): Found | undefined {
  const disabled = offloads.filter(
    ({ setting, found, isOn }) => setting === 'auto' && found === 'bad' && isOn === false,
  );
  const [first] = disabled;
  if (first === undefined) return undefined;
  return {
    severity: 'warning',
    title: 'Network devices get checksums wrong, and this host computes them itself',
    evidence: disabled.map(
      ({ device, since, peers = [] }) =>
        `weft status: ${device} since ${since}, as ${truncate(peers).join(', ')} answered no other`,
    ),
    impact: 'It works; large TCP transfers take more of the processor',
    fix: 'update driver, firmware or hypervisor, then have it tried again: weft config edit, "TxChecksumOffload": "on", then "auto". Or leave it so',
  };
}

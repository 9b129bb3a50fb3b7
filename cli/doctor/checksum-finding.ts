// Findings about offloaded checksums: from probes, and from the daemon's result and workaround.
// Pure.
import { familyOf, type IpAddress } from '../../lib/address.ts';
import type { ChecksumOffloadV1 } from '../../api/index.ts';
import type { ProbeResult } from '../../daemon/probe/checksum-probe.ts';
import { truncate, type Found } from './check.ts';

export interface PeerChecksums {
  /** Name of the peer in messages. */
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
    title: 'Offloaded checksums arrive wrong',
    evidence: truncate(
      bad.map(
        (each) =>
          `${each.name}: answers packets with checksums of this host, and none with offloaded checksums`,
      ),
    ),
    impact: 'ICMP of containers passes, TCP and UDP do not',
    fix: fixFor(offload, isEverywhere),
  };
}

function fixFor(offload: ChecksumOffloadV1 | undefined, isEverywhere: boolean): string {
  const device = offload?.device ?? 'flannel.1';
  const edit = 'weft config edit: "TxChecksumOffload": "off" in "Backend", for all hosts';
  if (offload?.setting === 'on')
    return 'weft config edit: "TxChecksumOffload": "auto" in "Backend", as "on" prevents the workaround of the daemon';
  if (!isEverywhere) return `${edit}, as the daemon keeps the offload while some peers get right checksums`;
  return `wait some seconds for the daemon to turn it off; with --probe-interval=0: ethtool -K ${device} tx-checksum-ip-generic off, or ${edit}`;
}

/** The daemon turned the offload off, which costs throughput. */
function describeWorkaround(offloads: readonly ChecksumOffloadV1[]): Found | undefined {
  const disabled = offloads.filter(
    ({ setting, found, isOn }) => setting === 'auto' && found === 'bad' && isOn === false,
  );
  const [first] = disabled;
  if (first === undefined) return undefined;
  return {
    severity: 'warning',
    title: 'Network devices compute wrong checksums, so this host computes them itself',
    evidence: disabled.map(
      ({ device, since, peers = [] }) =>
        `weft status: ${device} since ${since}: ${truncate(peers).join(', ')} answered no offloaded checksum`,
    ),
    impact: 'Traffic flows; large TCP transfers cost more CPU',
    fix: 'update driver, firmware or hypervisor, then retry the offload: weft config edit, "TxChecksumOffload": "on", then "auto"; or keep the workaround',
  };
}

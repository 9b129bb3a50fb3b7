// What to say of checksums that are left to network devices: from probes of this moment, and from what the daemon found and
// does about it. Pure.
import { familyOf, type IpAddress } from '../../lib/address.ts';
import type { ChecksumOffloadV1 } from '../../api/index.ts';
import type { ProbeResult } from '../../daemon/probe/checksum-probe.ts';
import { firstOf, type Found } from './check.ts';

export interface SeenChecksums {
  /** Peer, for people. */
  readonly name: string;
  readonly overlay: IpAddress;
  readonly sight: ProbeResult | undefined;
}

export function judgeChecksums(
  seen: readonly SeenChecksums[],
  offloads: readonly ChecksumOffloadV1[],
): Found | undefined {
  const bad = seen.filter(({ sight }) => sight === 'bad');
  if (bad.length === 0) return describeMended(offloads);
  const family = familyOf(bad[0]!.overlay);
  const offload = offloads.find((each) => each.family === family);
  const isEverywhere = !seen.some(({ sight, overlay }) => sight === 'good' && familyOf(overlay) === family);
  return {
    severity: 'error',
    title: 'Checksums that are left to a network device arrive wrong',
    evidence: firstOf(
      bad.map(
        (each) =>
          `${each.name}: answers a checksum of this host three times, and none that is left to a device`,
      ),
    ),
    consequence: 'Pings pass, and TCP and UDP of containers do not',
    remedy: remedyFor(offload, isEverywhere),
  };
}

function remedyFor(offload: ChecksumOffloadV1 | undefined, isEverywhere: boolean): string {
  const device = offload?.device ?? 'flannel.1';
  const edit = 'weft config edit: "TxChecksumOffload": "off" in "Backend", for all hosts';
  if (offload?.setting === 'on')
    return 'weft config edit: "TxChecksumOffload": "auto" in "Backend", as "on" forbids the daemon to mend it';
  if (!isEverywhere) return `${edit}, as the daemon leaves it while some peers get right ones`;
  return `wait some seconds for the daemon to turn it off; with --probe-interval=0: ethtool -K ${device} tx-checksum-ip-generic off, or ${edit}`;
}

/** The daemon did something about it, which costs throughput. */
function describeMended(offloads: readonly ChecksumOffloadV1[]): Found | undefined {
  const mended = offloads.filter(
    ({ setting, found, isOn }) => setting === 'auto' && found === 'bad' && isOn === false,
  );
  const [first] = mended;
  if (first === undefined) return undefined;
  return {
    severity: 'warning',
    title: 'Network devices get checksums wrong, and this host computes them itself',
    evidence: mended.map(
      ({ device, since, peers = [] }) =>
        `weft status: ${device} since ${since}, as ${firstOf(peers).join(', ')} answered no other`,
    ),
    consequence: 'It works; large TCP transfers take more of the processor',
    remedy:
      'update driver, firmware or hypervisor, then have it tried again: weft config edit, "TxChecksumOffload": "on", then "auto". Or leave it so',
  };
}

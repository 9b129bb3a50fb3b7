// What is set, found and done about checksums that are left to devices, for each VXLAN device of the kernel.
import { familyOf } from '../../lib/address.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { DaemonView } from './node-view.ts';
import type { ChecksumOffloadV1 } from '../../api/index.ts';
import { wallTime } from './wall-time.ts';

export function checksumOffloadOf({ config, offload, reconciler }: DaemonView): readonly ChecksumOffloadV1[] {
  if (config?.backend.type !== 'vxlan' || reconciler === undefined) return [];
  const setting = config.backend.txChecksumOffload;
  const wanted = [...reconciler.objectsOf(HOST).values()];
  return wanted.flatMap((link): readonly ChecksumOffloadV1[] => {
    if (link.kind !== 'link' || link.type !== 'vxlan') return [];
    const family = familyOf(link.local);
    const feature = wanted.find((object) => object.kind === 'feature' && object.dev === link.name);
    const isOn = feature?.kind === 'feature' ? feature.isOn : undefined;
    const verdict = offload?.verdicts.get(family);
    return [
      {
        device: link.name,
        family,
        setting,
        ...(setting === 'auto' && { found: verdict?.state ?? 'unknown' }),
        ...(setting === 'auto' && verdict && { since: wallTime(verdict.sinceMs), peers: verdict.peers }),
        ...(isOn !== undefined && { isOn }),
      },
    ];
  });
}

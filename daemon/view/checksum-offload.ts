// Checksum offload of each VXLAN device of the kernel: configured, probed and enforced.
import { familyOf } from '../../lib/address.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { NodeView } from './node-view.ts';
import type { ChecksumOffloadV1 } from '../../api/index.ts';
import { wallTime } from '../../lib/wall-time.ts';

export function checksumOffloadOf({ config, offload, reconciler }: NodeView): readonly ChecksumOffloadV1[] {
  if (config?.backend.type !== 'vxlan' || reconciler === undefined) return [];
  const setting = config.backend.txChecksumOffload;
  const desired = [...reconciler.objectsOf(HOST).values()];
  return desired.flatMap((link): readonly ChecksumOffloadV1[] => {
    if (link.kind !== 'link' || link.type !== 'vxlan') return [];
    const family = familyOf(link.local);
    const feature = desired.find((object) => object.kind === 'feature' && object.dev === link.name);
    const isOn = feature?.kind === 'feature' ? feature.isOn : undefined;
    const probed = offload?.statuses.get(family);
    return [
      {
        device: link.name,
        family,
        setting,
        ...(setting === 'auto' && { found: probed?.state ?? 'unknown' }),
        ...(setting === 'auto' && probed && { since: wallTime(probed.sinceMs), peers: probed.peers }),
        ...(isOn !== undefined && { isOn }),
      },
    ];
  });
}

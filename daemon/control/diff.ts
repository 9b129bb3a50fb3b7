// GET /v1/diff: desired against actual kernel state. Usually empty: the reconciler repairs drift
// within milliseconds, so a difference that stays is one that the daemon cannot or must not change.
import { isSetting, type KernelObject, type ObjectKey } from '../../backends/kernel-state.ts';
import { renderObject } from '../../backends/render.ts';
import { describeDrift, type ActualObject } from '../kernel/actual-state.ts';
import { HOST } from '../reconciler/desired-state.ts';
import { isInSync } from '../reconciler/diff.ts';
import type { ReconcilerView } from '../view/node-view.ts';
import type { Endpoint } from './endpoint.ts';
import { readKernelSnapshot, type KernelSnapshot } from './kernel-snapshot.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { DiffV1, DifferenceV1 } from '../../api/index.ts';
import { wallTime } from '../../lib/wall-time.ts';

export const diffEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/diff',
  summary: 'desired against actual kernel state, read now',
  handle: async (daemon) => ({ json: diffOf(await readKernelSnapshot(daemon), daemon.clock.nowMs()) }),
};

/** @param nowMs - on the daemon's clock */
export function diffOf(
  { reconciler, actual }: Pick<KernelSnapshot, 'reconciler' | 'actual'>,
  nowMs: number,
): DiffV1 {
  const differences: DifferenceV1[] = [];
  for (const [key, want] of reconciler.desired) {
    const found = actual.objects.get(key);
    if (isInSync(want, found)) continue;
    const foreign = want.kind === 'link' ? actual.foreignLinks.get(want.name) : undefined;
    differences.push({
      ...describe(key, want, found),
      ...foreignFields(foreign),
      ...ownerFields(reconciler, key),
    });
  }
  for (const [key, found] of actual.objects)
    if (!reconciler.desired.has(key) && !isSetting(found))
      differences.push({ kind: 'extra', object: key, actual: renderObject(found) });
  return {
    version: CONTROL_VERSION,
    at: wallTime(nowMs),
    desired: reconciler.desired.size,
    differences: differences.sort((a, b) => (a.object < b.object ? -1 : 1)),
  };
}

function describe(key: ObjectKey, want: KernelObject, found: ActualObject | undefined): DifferenceV1 {
  const desired = renderObject(want);
  if (found === undefined) return { kind: 'missing', object: key, desired };
  const what = describeDrift(want, found);
  return { kind: 'different', object: key, desired, actual: renderObject(found), what };
}

function foreignFields(link: { readonly type: string } | undefined): Partial<DifferenceV1> {
  if (link === undefined) return {};
  return {
    kind: 'foreign',
    what: `its name is taken by a device of type ${link.type === '' ? 'hardware' : link.type}`,
  };
}

function ownerFields(reconciler: ReconcilerView, key: ObjectKey): Partial<DifferenceV1> {
  const owner = reconciler.ownerOf(key);
  if (owner === undefined) return {};
  const { host } = reconciler.summary();
  const reason = owner === HOST ? host.reason : reconciler.peerStatus(owner)?.reason;
  return { owner, ...(reason !== undefined && { reason }) };
}

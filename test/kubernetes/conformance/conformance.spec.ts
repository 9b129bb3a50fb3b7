// Specs of Kubernetes' own conformance suite about traffic between pods, unchanged, on a fresh cluster
// with weft.yaml.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { NODES } from '../e2e/cluster.ts';
import { readManifest, useCluster } from '../e2e/suite.ts';
import { importAgnhost, runConformance } from './e2e-test.ts';

const SPECS = [
  'intra-pod communication: http',
  'intra-pod communication: udp',
  'node-pod communication: http [LinuxOnly]',
  'node-pod communication: udp [LinuxOnly]',
];
const LIMIT_MS = 600_000;

describe('conformance of a cluster with weft.yaml', function inOrder() {
  this.bail(true);
  const suite = useCluster();

  it('makes both nodes ready', async () => {
    const { cluster, weft } = suite();
    await cluster.apply(await readManifest('weft.yaml'));
    await weft.waitUntilRolledOut();
    for (const node of NODES) await cluster.waitUntilReady(node);
    await importAgnhost(cluster);
  });

  it('passes "Granular Checks: Pods"', async () => {
    const results = await runConformance(suite().cluster, 'Granular Checks: Pods', LIMIT_MS);
    for (const { failure, name, state } of results) console.log(`      ${state}: ${name} ${failure}`);
    assert.deepEqual(
      results.map(({ name, state }) => `${state}: ${name}`).toSorted(),
      SPECS.map((name) => `passed: should function for ${name}`).toSorted(),
    );
  }).timeout(LIMIT_MS + 10_000);
});

// What `weft doctor` has to say about a cluster in which nothing is broken: nothing.
import assert from 'node:assert/strict';
import type { Lab } from '../../../lab/lab.ts';
import { waitFor } from '../../../lab/wait.ts';
import { runDoctor } from './fault.ts';

/** Asserts that the doctor of each of `hosts` finds nothing; default the first one. */
export async function assertHealthy(
  lab: Lab,
  hosts: readonly string[] = ['h1'],
  under: readonly string[] = [],
): Promise<void> {
  for (const host of hosts) {
    const { findings } = await runDoctor(lab, host, [], under);
    assert.deepEqual(findings, [], `on ${host}: ${JSON.stringify(findings, null, 1)}`);
  }
}

/** The same once the daemons have noticed what was broken before. */
export async function waitUntilHealthy(lab: Lab, hosts: readonly string[]): Promise<void> {
  const isHealthy = async (): Promise<boolean> =>
    assertHealthy(lab, hosts).then(
      () => true,
      () => false,
    );
  await waitFor(`${hosts.join()} to be healthy`, isHealthy, 60_000).catch(() => assertHealthy(lab, hosts));
}

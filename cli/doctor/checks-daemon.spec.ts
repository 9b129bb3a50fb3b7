// What the daemon reports of itself, as a finding.
import assert from 'node:assert/strict';
import { RejectedError, type ControlClient, type RequestOptions } from '../client/control-client.ts';
import type { Found } from './check.ts';
import { LAST_CHECKS } from './checks-daemon.ts';
import { Facts } from './facts.ts';

const SILENT = { health: 'degraded', reasons: ['1 of 1 peers silent: 10.5.2.0-24'] };
const OK = { health: 'ok', reasons: [] };

/** @param probed - what the daemon answers once it has tried its peers again; unset: it is older */
async function find(status: object, probed?: object): Promise<readonly Found[]> {
  const request = (name: string, { method = 'GET' }: RequestOptions = {}): Promise<unknown> => {
    const answers: Readonly<Record<string, object | undefined>> = {
      'GET status': status,
      'POST probe': probed,
    };
    const answer = answers[`${method} ${name}`];
    if (answer !== undefined) return Promise.resolve(answer);
    return Promise.reject(new RejectedError({ code: 'not-found', message: name }));
  };
  const facts = new Facts({
    client: { request } as unknown as ControlClient,
    etcd: { endpoints: [], prefix: '/x' },
  });
  const check = LAST_CHECKS.find(({ id }) => id === 'daemon-reports')!;
  const found = await check.run(facts);
  facts.close();
  return found;
}

describe('weft doctor on what the daemon reports', () => {
  it('is silent about a peer that answers again', async () => assert.deepEqual(await find(SILENT, OK), []));

  for (const [what, probed] of [
    ['a peer that still does not answer', SILENT],
    ['what a daemon reports that cannot be asked to try again', undefined],
  ] as const)
    it(`reports ${what}`, async () => {
      const [found] = await find(SILENT, probed);
      assert.deepEqual(found?.evidence, SILENT.reasons);
      assert.equal(found.severity, 'warning');
    });

  it('is silent about a daemon that is well', async () => assert.deepEqual(await find(OK), []));
});

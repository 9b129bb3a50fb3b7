import assert from 'node:assert/strict';
import type { AskV1, PeerAnswerV1 } from '../../../api/index.ts';
import { RejectedError, type ControlClient } from '../../client/control-client.ts';
import { PLAIN } from '../../format/style.ts';
import { Facts } from '../facts.ts';
import { formatFindings } from '../format-findings.ts';
import { CHECKS, listUntested, runChecks } from '../run-checks.ts';
import { OWN_HALF_CHECKS } from './peer-half.ts';

const STATUS = {
  registry: { kind: 'etcd' },
  network: {
    ipv4: '10.5.0.0/16',
    mtu: 1450,
    devices: ['flannel.1'],
    backend: 'vxlan',
    encapsulation: 'kernel',
  },
  lease: { state: 'held', ipv4: '10.5.1.0/24' },
};
const PEERS = ['1', '2'].map((number) => ({
  key: `10.5.10${number}.0-24`,
  name: `node${number}`,
  ipv4: `10.5.10${number}.0/24`,
  publicIp: `198.18.1.10${number}`,
  mode: 'kernel',
  state: 'in-sync',
}));
const FINDING = {
  check: 'forward-drop',
  severity: 'error',
  title: 'A rule drops',
  evidence: ['nft'],
  impact: 'none passes',
  fix: 'nft insert rule x',
} as const;

describe('the half of a peer', () => {
  const check = CHECKS.find(({ id }) => id === 'peer-half')!;
  let asked: AskV1[];

  function factsOf(answers: readonly PeerAnswerV1[] | Error, toPeer?: string): Facts {
    asked = [];
    const client = {
      request: (name: string) => Promise.resolve(name === 'status' ? STATUS : { peers: PEERS, devices: [] }),
      async *follow(_name: string, { body }: { body: AskV1 }) {
        asked.push(body);
        if (answers instanceof Error) throw answers;
        yield* answers;
        await Promise.resolve();
      },
    };
    return new Facts({
      client: client as unknown as ControlClient,
      etcd: { endpoints: [], prefix: '' },
      root: '/nonexistent/',
      output: (argv) => Promise.resolve(argv.includes('address') ? '[]' : undefined),
      run: () => Promise.resolve({ code: 127, stdout: '', stderr: '' }),
      toPeer,
    });
  }

  it('has checks that exist, and does not ask further peers', () => {
    const ids = new Set(CHECKS.map(({ id }) => id));
    assert.deepEqual(
      OWN_HALF_CHECKS.filter((id) => !ids.has(id)),
      [],
    );
    assert.ok(!OWN_HALF_CHECKS.includes('peer-half'));
  });

  it('is asked for with --to alone, for the path to a container of this host', async () => {
    const all = factsOf([{ kind: 'doctor', findings: [FINDING], notTested: [] }]);
    assert.deepEqual(await runChecks(all, [check]), []);
    assert.deepEqual(asked, []);
    const one = factsOf(
      [{ kind: 'accepted' }, { kind: 'doctor', findings: [FINDING], notTested: ['rule 7'] }],
      PEERS[1]!.key,
    );
    const findings = await runChecks(one, [check]);
    assert.deepEqual(findings, [{ ...FINDING, host: 'node2' }]);
    assert.deepEqual(asked, [{ peer: PEERS[1]!.key, ask: { kind: 'doctor', to: '10.5.1.2' } }]);
    assert.deepEqual(await listUntested(one, [check]), ['on node2: rule 7']);
    const text = formatFindings(findings, [check], PLAIN, true);
    assert.match(text, /^ERROR on node2: A rule drops \[forward-drop\]$/m);
    assert.match(text, /^ {2}fix: {7}nft insert rule x {2}# on node2$/m);
  });

  it('is listed as not tested where the peer cannot be asked', async () => {
    for (const [answers, reason] of [
      [
        [{ kind: 'untested', reason: 'it is stopped' }],
        /^rules, routes and bridges of node1: it is stopped; weft doctor there/,
      ],
      [[], /the daemon of this host ended/],
      [
        new RejectedError({ code: 'not-found', message: 'No endpoint' }),
        /the daemon of this host is of an earlier version/,
      ],
    ] as const) {
      const facts = factsOf(answers, PEERS[0]!.key);
      assert.deepEqual(await runChecks(facts, [check]), []);
      assert.match((await listUntested(facts, [check])).join('\n'), reason);
    }
  });
});

// Outcomes of weft config set, edit and rollback, and of their wait for hosts, over a store in memory.
import assert from 'node:assert/strict';
import type { ConfigChange, ConfigSnapshot, ConfigStore } from '../../allocator/registry/config-store.ts';
import { NO_REVISION, toRevision, type RegistryEntry } from '../../allocator/registry/registry.ts';
import { encodeLeaseValue } from '../../allocator/registry/lease-value.ts';
import { vxlanPeer } from '../../backends/fixture.ts';
import { checkConfig, type ParsedConfigFile } from './config-source.ts';
import { writeConfig, type WriteOptions } from './config-write.ts';
import { rolloutStatus } from './rollout.ts';

const BEFORE = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
const OTHER_MTU = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MTU":1400}}';
const OTHER_NETWORK = '{"Network":"10.6.0.0/16","Backend":{"Type":"vxlan"}}';

const OPTIONS: WriteOptions = {
  yes: true,
  renumber: false,
  reason: undefined,
  isWaiting: true,
  timeoutMs: 0,
  etcdAddresses: [],
};
const WRITTEN = 8;

function entryOf(number: number): RegistryEntry {
  const { key, attributes } = vxlanPeer(number);
  return { key, value: encodeLeaseValue(attributes), modRevision: toRevision(number) } as RegistryEntry;
}
const hostOf = (number: number): string => vxlanPeer(number).attributes.publicIp!;
const report = (revision: number, more: object = {}): string =>
  JSON.stringify({ version: 1, key: '', config: { revision }, ...more });
const rejectedAt = (revision: number): string =>
  JSON.stringify({ version: 1, key: '', config: { revision: 1, rejected: { revision, reason: 'no' } } });
const MIGRATION = { migration: { state: 'leaving', announced: '', wanted: '', waitingFor: 3 } };
const BLOCKED = { migration: { ...MIGRATION.migration, obstacle: 'no link' } };

const snapshotOf = (
  text: string | undefined,
  reports: Readonly<Record<number, string>> = {},
): ConfigSnapshot => ({
  revision: toRevision(9),
  ...(text !== undefined && { config: { text, modRevision: toRevision(7) } }),
  leases: [2, 3].map(entryOf),
  reports: new Map(Object.entries(reports).map(([number, value]) => [hostOf(Number(number)), value])),
});

function parsed(text: string): ParsedConfigFile {
  const result = checkConfig(text);
  assert.ok(result.ok);
  return result;
}

/** Writes `text`; afterwards the hosts report `reports`. */
async function write(
  before: ConfigSnapshot,
  text: string,
  more: object = {},
  reports: Readonly<Record<number, string>> = {},
) {
  const changes: ConfigChange[] = [];
  const { isRaced = false, ...options } = more as { readonly isRaced?: boolean };
  const store: ConfigStore = {
    read: () => Promise.resolve(snapshotOf(text, reports)),
    history: () => Promise.resolve([]),
    write: (change) => {
      changes.push(change);
      return Promise.resolve(isRaced ? { written: false } : { written: true, revision: toRevision(WRITTEN) });
    },
    nearMisses: () => Promise.resolve([]),
    close: () => undefined,
  };
  const [out, error] = [process.stdout, process.stderr].map((stream) => stream.write.bind(stream));
  let printed = '';
  const catchText = (chunk: string | Uint8Array): boolean => ((printed += chunk.toString()), true);
  Object.assign(process.stdout, { write: catchText });
  Object.assign(process.stderr, { write: catchText });
  try {
    const code = await writeConfig(store, before, parsed(text), { ...OPTIONS, ...options });
    return { code, printed, changes };
  } catch (failure) {
    return { code: (failure as { code: string }).code, printed: (failure as Error).message, changes };
  } finally {
    Object.assign(process.stdout, { write: out });
    Object.assign(process.stderr, { write: error });
  }
}

describe('writing the network config', () => {
  const all = { 2: report(WRITTEN), 3: report(WRITTEN + 1) };
  const cases: readonly (readonly [
    what: string,
    before: ConfigSnapshot,
    text: string,
    options: object,
    reports: Readonly<Record<number, string>>,
    code: number | string,
    writes: number,
    printed: RegExp,
  ])[] = [
    ['the same document', snapshotOf(BEFORE), BEFORE, {}, all, 0, 0, /^Nothing changes\n$/],
    [
      'a change that all follow',
      snapshotOf(BEFORE),
      OTHER_MTU,
      {},
      all,
      0,
      1,
      /2 of 2 hosts have followed\n$/,
    ],
    ['the first document', snapshotOf(undefined), BEFORE, {}, all, 0, 1, /Written as revision 8\n/],
    ['no wait', snapshotOf(BEFORE), OTHER_MTU, { isWaiting: false }, {}, 0, 1, /Written as revision 8\n$/],
    ['a change meanwhile', snapshotOf(BEFORE), OTHER_MTU, { isRaced: true }, all, 1, 1, /changed meanwhile/],
    ['no confirmation', snapshotOf(BEFORE), OTHER_MTU, { yes: false }, all, 'USAGE', 0, /Not confirmed/],
    ['renumbering', snapshotOf(BEFORE), OTHER_NETWORK, {}, all, 'USAGE', 0, /--renumber/],
    ['confirmed renumbering', snapshotOf(BEFORE), OTHER_NETWORK, { renumber: true }, all, 0, 1, /2 of 2/],
    [
      'a host that rejects it',
      snapshotOf(BEFORE),
      OTHER_MTU,
      {},
      { ...all, 3: rejectedAt(8) },
      4,
      1,
      /rejected: no\n[^]*1 of 2 hosts/,
    ],
    [
      'a host that waits',
      snapshotOf(BEFORE),
      OTHER_MTU,
      {},
      { ...all, 3: report(7) },
      4,
      1,
      /waiting: no report[^]*1 of 2 hosts/,
    ],
    [
      'a host without weft',
      snapshotOf(BEFORE),
      OTHER_MTU,
      {},
      { 2: report(8) },
      0,
      1,
      /1 of 1 hosts have followed\n1 hosts run no weft/,
    ],
    [
      'hosts without weft',
      snapshotOf(BEFORE),
      OTHER_MTU,
      {},
      {},
      0,
      1,
      /0 of 0 hosts have followed\n2 hosts run no weft/,
    ],
  ];
  for (const [what, before, text, options, reports, code, writes, printed] of cases)
    it(`ends with ${code} for ${what}`, async () => {
      const result = await write(before, text, options, reports);
      assert.deepEqual([result.code, result.changes.length], [code, writes], result.printed);
      assert.match(result.printed, printed);
    });

  it('replaces the document that was read, with author and reason', async () => {
    const { changes } = await write(
      snapshotOf(BEFORE),
      OTHER_NETWORK,
      { renumber: true, reason: 'why' },
      all,
    );
    const [{ text, expected, note, isRenumberingConfirmed } = assert.fail()] = changes;
    assert.deepEqual([text, expected, isRenumberingConfirmed, note.reason], [OTHER_NETWORK, 7, true, 'why']);
    assert.match(note.author ?? '', /.@./);
    assert.ok(Math.abs(Date.now() - note.timeMs) < 10_000);
    const first = await write(snapshotOf(undefined), BEFORE, {}, all);
    assert.deepEqual([first.changes[0]!.expected, first.changes[0]!.note.reason], [NO_REVISION, undefined]);
    assert.equal(first.changes[0]!.isRenumberingConfirmed, false);
  });
});

describe('the rollout', () => {
  const cases: readonly (readonly [what: string, report: string, state: string, reason?: string])[] = [
    ['the revision', report(8), 'followed'],
    ['a newer one', report(9), 'followed'],
    ['an older one', report(7), 'waiting', 'no report of this revision yet'],
    ['a migration', report(8, MIGRATION), 'waiting', 'leaving, waiting for 3 hosts'],
    ['a blocked migration', report(8, BLOCKED), 'waiting', 'no link'],
    ['a rejection', rejectedAt(8), 'rejected', 'no'],
    ['a rejection of a newer one', rejectedAt(9), 'rejected', 'no'],
    ['a rejection of an older one', rejectedAt(7), 'waiting', 'no report of this revision yet'],
    ['rubbish', '{', 'unreported'],
    ['another version', '{"version":2,"config":{"revision":8}}', 'unreported'],
  ];
  for (const [what, text, state, reason] of cases)
    it(`of a host that reports ${what} is ${state}`, () => {
      const [first, second] = rolloutStatus(snapshotOf(BEFORE, { 3: text }), toRevision(8));
      assert.deepEqual(first?.progress, { state: 'unreported' });
      assert.deepEqual(second, {
        host: hostOf(3),
        key: vxlanPeer(3).key,
        progress: { state, ...(reason !== undefined && { reason }) },
      });
    });

  it('ignores keys that are no leases', () => {
    const snapshot = { ...snapshotOf(BEFORE), leases: [{ ...entryOf(2), value: 'rubbish' }, entryOf(3)] };
    assert.deepEqual(
      rolloutStatus(snapshot, toRevision(8)).map(({ host }) => host),
      [hostOf(3)],
    );
  });
});

import assert from 'node:assert/strict';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { NO_LEASE, type AnyRegistry } from '../../allocator/registry/registry.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { PeerAnswerV1 } from '../../api/index.ts';
import { systemClock } from '../../lib/clock.ts';
import { askPeer } from './ask-peer.ts';

const PEER = { key: '10.5.2.0-24', attributes: { publicIp: '198.18.0.2' } } as unknown as Lease;

describe('asking a peer', () => {
  let store: MemoryStore;
  let registry: MemoryRegistry;

  beforeEach(() => {
    store = new MemoryStore({ clock: systemClock });
    registry = new MemoryRegistry(store);
  });

  const publish = (more: object): Promise<unknown> => {
    const value = JSON.stringify({ version: 1, key: PEER.key, config: { revision: 1 }, ...more });
    return registry.writeMeta({ key: 'hosts/198.18.0.2', value, leaseId: NO_LEASE });
  };

  function ask(signal = new AbortController().signal, over: AnyRegistry = registry) {
    const options = {
      registry: over,
      ownKey: '10.5.1.0-24',
      peer: PEER,
      ask: { kind: 'endpoint' },
      signal,
      acceptTimeoutMs: 1000,
    } as const;
    return askPeer(options);
  }

  const first = async (answers: AsyncGenerator<PeerAnswerV1>): Promise<PeerAnswerV1> =>
    (await answers.next()).value as PeerAnswerV1;

  it('writes nothing where the peer does not answer requests', async () => {
    const reasons: string[] = [];
    const reasonOf = async (): Promise<void> => {
      const answer = await first(ask());
      reasons.push(answer.kind === 'untested' ? answer.reason : answer.kind);
    };
    await reasonOf();
    await publish({});
    await reasonOf();
    await publish({ answersPeers: false });
    await reasonOf();
    assert.match(reasons.join('\n'), /^no weft daemon.*\n.*earlier version.*\n.*--answer-peers=false$/);
    assert.deepEqual(store.leaseIds, []);
    const assigning = { allocation: 'assigned' } as AnyRegistry;
    assert.equal((await first(ask(undefined, assigning))).kind, 'untested');
  });

  it('ends as untested with the reason when the registry rejects', async () => {
    await publish({ answersPeers: true });
    registry.setUnavailable(true);
    assert.equal((await first(ask())).kind, 'untested');
  });

  it('names each cause of a daemon that gives no sign', async () => {
    await publish({ answersPeers: true });
    const answer = await first(ask());
    const reason = answer.kind === 'untested' ? answer.reason : answer.kind;
    assert.match(
      reason,
      /within 1 s: it is stopped, has too many requests, or may not read weft\/requests\/ in etcd$/,
    );
  });

  it('passes answers on, and leaves nothing in the registry when it ends', async () => {
    await publish({ answersPeers: true });
    const client = new AbortController();
    const answers = ask(client.signal);
    const accepted = first(answers);
    const answer =
      (document: object) =>
      async (id: string, text = '') => {
        const { leaseId } = JSON.parse(text) as { leaseId: typeof NO_LEASE };
        await registry.writeMeta({ key: `answers/${id}`, value: JSON.stringify(document), leaseId });
      };
    const requests = async (): Promise<ReadonlyMap<string, string>> =>
      registry.listMeta('requests/198.18.0.2/');
    while ((await requests()).size === 0) await new Promise(setImmediate);
    const [[id, text]] = [...(await requests())] as [[string, string]];
    await answer({ kind: 'accepted' })(id, text);
    assert.deepEqual(await accepted, { kind: 'accepted' });
    await answer({ kind: 'endpoint', token: 'x', host: [], container: [], missing: [] })(id, text);
    assert.equal((await first(answers)).kind, 'endpoint');
    const ended = answers.next();
    client.abort();
    assert.equal((await ended).done, true);
    assert.deepEqual(store.leaseIds, []);
    assert.equal((await requests()).size, 0);
  });
});

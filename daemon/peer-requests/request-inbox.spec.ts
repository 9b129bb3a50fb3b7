import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import type { PeerAnswerV1, PeerAskV1 } from '../../api/index.ts';
import { createLogger } from '../log/log.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { LIFETIME_SEC, parsePeerRequest } from './peer-request.ts';
import { admit, MAX_PER_MINUTE, OPEN_GATE, release } from './request-gate.ts';
import { RequestInbox, type AnswerRequest } from './request-inbox.ts';

const ID = '0123456789abcdef';
const OTHER = 'fedcba9876543210';
const ENDPOINT: PeerAskV1 = { kind: 'endpoint' };

describe('requests of peers', () => {
  it('are parsed strictly', () => {
    const text = (more: object): string =>
      JSON.stringify({ version: 1, from: '10.5.1.0-24', leaseId: '7', ask: ENDPOINT, ...more });
    assert.deepEqual(parsePeerRequest(ID, text({}))?.ask, ENDPOINT);
    assert.deepEqual(parsePeerRequest(ID, text({ ask: { kind: 'doctor', to: '10.5.1.2' } }))?.ask, {
      kind: 'doctor',
      to: '10.5.1.2',
    });
    const listener = { address: '10.5.1.254', tcp: 5, udp: 6 };
    const back = { token: ID, host: [], container: [listener] };
    const askOf = (more: object) =>
      parsePeerRequest(ID, text({ ask: { ...ENDPOINT, back: { ...back, ...more } } }))?.ask;
    assert.deepEqual(askOf({}), { ...ENDPOINT, back });
    assert.deepEqual(askOf({ token: 'x y' }), ENDPOINT);
    for (const wrong of [{ tcp: 0 }, { udp: 65_536 }, { tcp: '5' }, { address: 'localhost' }, { address: 7 }])
      assert.deepEqual(askOf({ container: [{ ...listener, ...wrong }, null] }), {
        ...ENDPOINT,
        back: { ...back, container: [] },
      });
    const wrong: readonly (readonly [string, string])[] = [
      ['x', text({})],
      [ID, '{'],
      [ID, 'null'],
      [ID, text({ version: 2 })],
      [ID, text({ leaseId: '0' })],
      [ID, text({ leaseId: 7 })],
      [ID, text({ from: undefined })],
      [ID, text({ ask: { kind: 'shell' } })],
      [ID, text({ ask: { kind: 'doctor', to: '--socket=/x' } })],
      [ID, text({ padding: 'x'.repeat(1000) })],
    ];
    for (const [id, document] of wrong) assert.equal(parsePeerRequest(id, document), undefined, document);
  });

  it('run one at a time and few a minute', () => {
    let gate = OPEN_GATE;
    const at = (ms: number): string => {
      const { state, admission } = admit(gate, ms);
      gate = state;
      return admission;
    };
    assert.deepEqual([at(0), at(1)], ['run', 'busy']);
    gate = release(gate);
    assert.equal(at(2), 'run');
    for (let count = 3; count < MAX_PER_MINUTE; count++) assert.equal(at(3), 'busy');
    assert.equal(at(4), 'ignore');
    gate = release(gate);
    assert.deepEqual([at(59_000), at(60_003)], ['ignore', 'run']);
  });

  describe('inbox', () => {
    let clock: FakeClock;
    let registry: MemoryRegistry;
    let inbox: RequestInbox;
    let ended: string[];
    let loads: number;

    beforeEach(async () => {
      clock = new FakeClock();
      registry = new MemoryRegistry(new MemoryStore({ clock }));
      ended = [];
      loads = 0;
      const answer: AnswerRequest = async ({ from }, write, signal) => {
        await write({ kind: 'accepted' });
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            ended.push(`${from}: ${(signal.reason as Error).message}`);
            resolve();
          });
        });
      };
      const load = (): Promise<AnswerRequest> => {
        loads++;
        return Promise.resolve(answer);
      };
      inbox = new RequestInbox({
        registry,
        clock,
        log: createLogger({ level: 'error' }),
        load,
        random: () => 0.5,
      });
      inbox.follow('198.18.0.1');
      await turn();
    });

    afterEach(() => inbox.stop());

    async function ask(id: string, nodeId = '198.18.0.1') {
      const leaseId = await registry.grant(LIFETIME_SEC);
      const value = JSON.stringify({ version: 1, from: 'peer', leaseId, ask: ENDPOINT });
      await registry.writeMeta({ key: `requests/${nodeId}/${id}`, value, leaseId });
      await turn();
      return leaseId;
    }

    async function answerOf(id: string): Promise<PeerAnswerV1 | undefined> {
      const entry = await registry.readMeta(`answers/${id}`);
      return entry && (JSON.parse(entry.text) as PeerAnswerV1);
    }

    it('loads the code that answers with the first request', async () => {
      assert.equal(loads, 0);
      await ask(ID, '198.18.0.2');
      assert.equal(loads, 0);
      await ask(ID);
      assert.equal(loads, 1);
      assert.deepEqual(await answerOf(ID), { kind: 'accepted' });
    });

    it('ends a request with its key, which leaves nothing in the registry', async () => {
      const leaseId = await ask(ID);
      await registry.revoke(leaseId);
      await turn();
      assert.deepEqual(ended, ['peer: The request has ended']);
      assert.equal(await answerOf(ID), undefined);
    });

    it('ends a request after its longest life, whatever the registry does', async () => {
      await ask(ID);
      registry.setUnavailable(true);
      await clock.advance(LIFETIME_SEC * 1000);
      assert.equal(ended.length, 1);
    });

    it('refuses a second request while the first runs, and takes the next after it', async () => {
      const first = await ask(ID);
      await ask(OTHER);
      assert.equal((await answerOf(OTHER))?.kind, 'untested');
      await registry.revoke(first);
      await turn();
      await ask('00000000000000aa');
      assert.deepEqual(await answerOf('00000000000000aa'), { kind: 'accepted' });
    });

    it('follows again after the watch is lost', async () => {
      registry.breakWatches();
      await clock.advance(2000);
      await ask(ID);
      assert.equal(loads, 1);
    });

    it('follows the new public IP of this host', async () => {
      inbox.follow('198.18.0.9');
      await clock.advance(1);
      await ask(ID, '198.18.0.9');
      assert.equal(loads, 1);
    });
  });
});

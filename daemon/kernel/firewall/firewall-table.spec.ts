// The firewall's table over programs that are only played: what is run when, and what their words mean.
import assert from 'node:assert/strict';
import type { FirewallObject } from '../../../backends/kernel-state.ts';
import { FirewallTable } from './firewall-table.ts';
import type { RunProgram } from './run-program.ts';

const RULES = 'table ip flannel-ipv4 {\n\tchain forward {\n\t\tip saddr 10.5.0.0/16 accept\n\t}\n}\n';
const TABLE: FirewallObject = {
  kind: 'firewall',
  engine: 'nft',
  family: 4,
  name: 'flannel-ipv4',
  rules: RULES,
};
const NFT = { hasNft: true, problem: '' };

/** nft with one table, which it prints in words of its own. */
class PlayedNft {
  text = '';
  calls: string[] = [];
  refusal = '';

  readonly run: RunProgram = (file, words, input = '') => {
    this.calls.push([file, ...words].join(' '));
    if (words.includes('list')) return Promise.resolve(this.#list(words));
    if (this.refusal !== '') return Promise.resolve({ code: 1, stdout: '', stderr: this.refusal });
    this.text = input.replace(/^(?:add|delete) table .*\n/gm, '').replace('accept', 'counter accept');
    return Promise.resolve({ code: 0, stdout: '', stderr: '' });
  };

  #list(words: readonly string[]) {
    const isThere = words.includes('flannel-ipv4') && this.text !== '';
    return { code: isThere ? 0 : 1, stdout: isThere ? this.text : '', stderr: 'No such file or directory' };
  }
}

describe('the table of the firewall', () => {
  let nft: PlayedNft;
  let table: FirewallTable;

  beforeEach(() => {
    nft = new PlayedNft();
    table = new FirewallTable(NFT, nft.run);
  });

  const read = async (): Promise<string | undefined> => (await table.read())[0]?.rules;

  it('runs nothing as long as nothing is stale', async () => {
    await table.read();
    const { length } = nft.calls;
    await table.read();
    assert.deepEqual(await table.refresh(), []);
    assert.equal(nft.calls.length, length);
    table.markStale(({ family }) => family === 6);
    await table.read();
    assert.equal(nft.calls.length, length + 1);
  });

  it('knows rules again that the program words otherwise', async () => {
    assert.deepEqual(await table.apply({ action: 'set', object: TABLE }), { status: 'done' });
    assert.match(nft.text, /counter accept/);
    assert.equal(await read(), RULES);
  });

  it('takes any other change for one', async () => {
    await table.apply({ action: 'set', object: TABLE });
    nft.text = nft.text.replace('10.5', '10.6');
    table.markStale();
    assert.match((await read()) ?? '', /10\.6/);
  });

  it('does not learn what somebody changed in between', async () => {
    const { run } = nft;
    const meddling = new FirewallTable(NFT, async (file, words, input) => {
      const output = await run(file, words, input);
      if (!words.includes('list')) nft.text = nft.text.replace(/^\t\tip.*\n/m, '');
      return output;
    });
    await meddling.apply({ action: 'set', object: TABLE });
    assert.notEqual((await meddling.read())[0]?.rules, RULES);
  });

  it('says what the program said', async () => {
    nft.refusal = '\nnetlink: Error: cache initialization failed: Operation not permitted\n';
    assert.deepEqual(await table.apply({ action: 'set', object: TABLE }), {
      status: 'rejected',
      errno: 'EIO',
      message: 'EIO: nft: netlink: Error: cache initialization failed: Operation not permitted',
    });
  });

  it('refuses what no program here can do', async () => {
    const outcome = await table.apply({ action: 'set', object: { ...TABLE, engine: 'iptables' } });
    assert.ok(outcome.status === 'rejected');
    assert.match(outcome.message, /iptables is not installed or does not work here/);
  });

  it('tells of a change also if somebody else has read it meanwhile', async () => {
    await table.apply({ action: 'set', object: TABLE });
    await table.refresh();
    nft.text = '';
    table.markStale();
    await table.readForwardDrops();
    assert.deepEqual(await table.refresh(), [{ kind: 'object', key: 'firewall nft ip flannel-ipv4' }]);
    assert.deepEqual(await table.refresh(), []);
  });

  it('tells how it is now, and what is gone', async () => {
    await table.apply({ action: 'set', object: TABLE });
    await table.read();
    table.markStale();
    const key = 'firewall nft ip flannel-ipv4';
    assert.deepEqual(await table.refresh(), [{ kind: 'object', key, object: TABLE }]);
    nft.text = '';
    table.markStale();
    assert.deepEqual(await table.refresh(), [{ kind: 'object', key }]);
  });
});

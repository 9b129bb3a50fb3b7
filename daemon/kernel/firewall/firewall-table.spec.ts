// The firewall table over a fake nft: which commands it runs when, and what it makes of their
// output.
import assert from 'node:assert/strict';
import type { FirewallObject } from '../../../backends/kernel-state.ts';
import { FirewallTable } from './firewall-table.ts';
import type { RunTool } from './run-tool.ts';

const RULES = 'table ip flannel-ipv4 {\n\tchain forward {\n\t\tip saddr 10.5.0.0/16 accept\n\t}\n}\n';
const TABLE: FirewallObject = {
  kind: 'firewall',
  engine: 'nft',
  family: 4,
  name: 'flannel-ipv4',
  rules: RULES,
};
const NFT = { hasNft: true, error: '' };

/** nft with one table, which it prints in a form of its own. */
class FakeNft {
  text = '';
  calls: string[] = [];
  failure = '';

  readonly run: RunTool = (file, args, input = '') => {
    this.calls.push([file, ...args].join(' '));
    if (args.includes('list')) return Promise.resolve(this.#list(args));
    if (this.failure !== '') return Promise.resolve({ code: 1, stdout: '', stderr: this.failure });
    this.text = input.replace(/^(?:add|delete) table .*\n/gm, '').replace('accept', 'counter accept');
    return Promise.resolve({ code: 0, stdout: '', stderr: '' });
  };

  #list(args: readonly string[]) {
    const isThere = args.includes('flannel-ipv4') && this.text !== '';
    return { code: isThere ? 0 : 1, stdout: isThere ? this.text : '', stderr: 'No such file or directory' };
  }
}

describe('the firewall table', () => {
  let nft: FakeNft;
  let table: FirewallTable;

  beforeEach(() => {
    nft = new FakeNft();
    table = new FirewallTable(NFT, nft.run);
  });

  const read = async (): Promise<string | undefined> => (await table.read())[0]?.rules;

  it('runs no command while nothing is stale', async () => {
    await table.read();
    const { length } = nft.calls;
    await table.read();
    assert.deepEqual(await table.refresh(), []);
    assert.equal(nft.calls.length, length);
    table.markStale(({ family }) => family === 6);
    await table.read();
    assert.equal(nft.calls.length, length + 1);
  });

  it('recognizes rules that the tool prints in another form', async () => {
    assert.deepEqual(await table.apply({ action: 'set', object: TABLE }), { status: 'done' });
    assert.match(nft.text, /counter accept/);
    assert.equal(await read(), RULES);
  });

  it('reports any other change', async () => {
    await table.apply({ action: 'set', object: TABLE });
    nft.text = nft.text.replace('10.5', '10.6');
    table.markStale();
    assert.match((await read()) ?? '', /10\.6/);
  });

  it('does not record what another process changed in between', async () => {
    const { run } = nft;
    const changing = new FirewallTable(NFT, async (file, args, input) => {
      const output = await run(file, args, input);
      if (!args.includes('list')) nft.text = nft.text.replace(/^\t\tip.*\n/m, '');
      return output;
    });
    await changing.apply({ action: 'set', object: TABLE });
    assert.notEqual((await changing.read())[0]?.rules, RULES);
  });

  it('has the first line of the tool in the message', async () => {
    nft.failure = '\nnetlink: Error: cache initialization failed: Operation not permitted\n';
    assert.deepEqual(await table.apply({ action: 'set', object: TABLE }), {
      status: 'rejected',
      errno: 'EIO',
      message: 'EIO: nft: netlink: Error: cache initialization failed: Operation not permitted',
    });
  });

  it('rejects an object whose tool is missing', async () => {
    const outcome = await table.apply({ action: 'set', object: { ...TABLE, engine: 'iptables' } });
    assert.ok(outcome.status === 'rejected');
    assert.match(outcome.message, /iptables is not installed or does not work here/);
  });

  it('reports a change that another read has seen already', async () => {
    await table.apply({ action: 'set', object: TABLE });
    await table.refresh();
    nft.text = '';
    table.markStale();
    await table.readForwardDrops();
    assert.deepEqual(await table.refresh(), [{ kind: 'object', key: 'firewall nft ip flannel-ipv4' }]);
    assert.deepEqual(await table.refresh(), []);
  });

  it('reports present objects, and keys of those that are gone', async () => {
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

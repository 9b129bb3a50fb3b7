import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PEERS } from '../fixture/peers.ts';
import { commandFor, gatherDumps } from './cluster-dumps.ts';

const PEER = PEERS.peers[0]!;

/** Whether a process has ended, whether its parent has noticed or not. */
async function hasEnded(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '0 (x) Z');
  return / Z/.test(stat);
}

describe('archives of all peers', () => {
  it('come from a command with the address or the name of each', () => {
    const via = 'ssh ADDRESS weft sysdump -o - # NAME';
    assert.equal(commandFor({ ...PEER, name: 'db-2' }, via), 'ssh 198.18.1.2 weft sysdump -o - # db-2');
    assert.equal(commandFor(PEER, via), 'ssh 198.18.1.2 weft sysdump -o - # 198.18.1.2');
    const { publicIp: _none, ...nowhere } = PEER;
    assert.equal(commandFor(nowhere, via), undefined);
  });

  for (const name of ['$(reboot)', '-oProxyCommand=x', 'a b', 'a;b', ''])
    it(`take no command from the name ${JSON.stringify(name)}`, () =>
      assert.equal(commandFor({ ...PEER, name }, 'ssh NAME'), 'ssh 198.18.1.2'));

  it('are in the archive, and so are reasons of those that failed', async () => {
    const peers = [
      { ...PEER, name: 'db-2' },
      { ...PEER, name: 'web-3' },
    ];
    const via = 'test NAME = db-2 || { echo no route >&2; exit 255; }; printf "\\037\\213x"';
    const [first, second] = await gatherDumps(peers, via);
    assert.equal(first?.path, 'hosts/db-2.tar.gz');
    assert.deepEqual([...(first.text as Buffer)], [0x1f, 0x8b, 0x78]);
    assert.equal(second?.path, 'hosts/web-3.txt');
    assert.match(String(second.text), /^# test web-3[^]*no route\n$/);
  });

  it('end with every part of a pipe after a time-out', async () => {
    const [dump] = await gatherDumps([PEER], 'sh -c "echo \\$\\$ >&2; exec sleep 30" | cat', 1000);
    const [, reason, pid = ''] = String(dump?.text).split('\n');
    assert.equal(reason, 'it took longer than 1 s');
    assert.match(pid, /^\d+$/);
    while (!(await hasEnded(pid))) await sleep(5);
  });
});

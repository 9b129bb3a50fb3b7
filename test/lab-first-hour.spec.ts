// `weft lab` as a new user types it: waits end with what went wrong, commands inside find their host.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lab } from '../lab/lab.ts';
import { packageRoot } from '../lab/package-root.ts';
import { waitFor } from '../lab/wait.ts';

const WEFT = join(packageRoot(), 'bin/weft');

describe('weft lab', () => {
  const env = { ...process.env, WEFT_NODE: process.execPath };
  const weft = (args: string, cwd = '/') =>
    spawnSync(WEFT, ['lab', ...args.split(' ')], { cwd, env, encoding: 'utf8', input: '' });

  it('ends with the last error of a daemon that ended', () => {
    const { status, stderr } = weft('up --name dead --hosts 1 --flag=--no-such-flag');
    assert.match(stderr, /h1 ended before h1 has its subnet file; its log says: .*no-such-flag/);
    assert.notEqual(status, 0);
  });

  it('ends with the last error of an etcd that ended', () =>
    assert.rejects(
      Lab.create({ name: 'no-etcd', hosts: 1, mtu: 1500, etcdFlags: ['--no-such-flag'] }),
      /^Error: etcd ended before etcd answers; its log says: flag provided but not defined/,
    ));

  it('prints no report when it is interrupted', async () => {
    const child = spawn(WEFT, ['lab', 'run', '--name', 'interrupted', '--hosts', '2', '--json'], { env });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    const closed = new Promise((resolve) => child.once('close', resolve));
    // Both are ready: it pings, and then measures TCP for two seconds.
    await waitFor('the lab to be checked', async () => {
      const lab = await Lab.find('interrupted');
      return lab !== undefined && (await lab.isReady('h1')) && (await lab.isReady('h2'));
    });
    child.kill('SIGINT');
    await closed;
    assert.equal(stdout, '');
    await waitFor('the lab to end', async () => (await Lab.find('interrupted')) === undefined);
  });

  describe('exec', () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'weft-lab-'));
      const { status, stderr } = weft('up --name inside --hosts 1');
      assert.equal(status, 0, stderr);
    });
    after(() => {
      weft('down --name inside');
      rmSync(folder, { recursive: true });
    });

    it('takes relative paths', () => {
      writeFileSync(join(folder, 'script.sh'), 'cat text');
      writeFileSync(join(folder, 'text'), 'found');
      assert.equal(weft('exec --name inside h1 sh script.sh', folder).stdout, 'found');
    });

    for (const args of ['weft config get', 'weft leases', 'etcdctl get --prefix /coreos.com/network/config'])
      it(`lets ${args} find etcd`, () => {
        const { status, stdout, stderr } = weft(`exec --name inside h1 ${args}`);
        assert.equal(status, 0, stderr);
        assert.match(stdout, /10\.5\./);
      });
  });
});

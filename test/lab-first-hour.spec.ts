// `weft lab` as a new user types it: waits end with what went wrong, commands inside find their host.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

  it('brings up a lab whose daemon is ready long after its subnet file', async () => {
    const child = spawn(WEFT, ['lab', 'up', '--name', 'slow', '--hosts', '1'], { env });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    const closed = new Promise((resolve) => child.once('close', resolve));
    try {
      // As on a busy machine: health gets no answer at first.
      const rule = 'add table ip busy; add chain ip busy in { type filter hook input priority 0; }';
      const reject = `${rule}; add rule ip busy in tcp dport 8471 counter reject with tcp reset`;
      let lab: Lab | undefined;
      await waitFor('the host to exist', async () => {
        lab = await Lab.find('slow');
        return lab !== undefined && (await lab.exec('h1', ['nft', reject])).code === 0;
      });
      await waitFor('the first question', async () =>
        /counter packets [1-9]/.test((await lab!.exec('h1', ['nft', 'list', 'table', 'ip', 'busy'])).stdout),
      );
      await lab!.check('h1', ['nft', 'delete table ip busy']);
      assert.equal(await closed, 0);
      assert.match(stdout, /h1 .* ready$/m);
    } finally {
      weft('down --name slow');
    }
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

    it('lets weft docker-opts find subnet.env', () => {
      const { status, stderr } = weft('exec --name inside h1 weft docker-opts -d /run/docker-opts');
      assert.equal(status, 0, stderr);
      assert.match(weft('exec --name inside h1 cat /run/docker-opts').stdout, /--bip=10\.5\./);
    });

    for (const args of ['weft config get', 'weft leases', 'etcdctl get --prefix /coreos.com/network/config'])
      it(`lets ${args} find etcd`, () => {
        const { status, stdout, stderr } = weft(`exec --name inside h1 ${args}`);
        assert.equal(status, 0, stderr);
        assert.match(stdout, /10\.5\./);
      });

    it('names the key of a config that lies beside its key', () => {
      const etcdctl = (args: string) => weft(`exec --name inside h1 etcdctl ${args}`);
      const { stdout: document } = etcdctl('get --print-value-only /coreos.com/network/config');
      assert.equal(etcdctl(`put /coreos.com/network ${document.trim()}`).status, 0);
      etcdctl('del /coreos.com/network/config');
      const { status, stderr } = weft('exec --name inside h1 weft config get');
      assert.match(
        stderr,
        /no network config at \/coreos\.com\/network\/config: weft does not read the one at \/coreos\.com\/network: move it/,
      );
      assert.equal(status, 2);
      etcdctl('del /coreos.com/network');
      assert.match(
        weft('exec --name inside h1 weft config get').stderr,
        /for example: echo .* \| weft config set -/,
      );
    });
  });
});

describe('weft bench', () => {
  const env = { ...process.env, WEFT_NODE: process.execPath };

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)
    it(`takes its processes along on ${signal}`, async () => {
      const child = spawn(WEFT, ['bench', 'allocate', '--rounds', '1000'], { env });
      const closed = new Promise((resolve) => child.once('close', resolve));
      let pids: readonly number[] = [];
      await waitFor('etcd of the benchmark', () => {
        pids = descendants(child.pid!);
        return pids.some((pid) => commandOf(pid) === 'etcd');
      });
      child.kill(signal);
      assert.equal(await closed, code);
      await waitFor('its processes to end', () => pids.every((pid) => commandOf(pid) === undefined));
    });
});

/** Name of a process; `undefined` if it ended. */
function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function descendants(pid: number): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return [...children.matchAll(/\d+/g)].flatMap(([child]) => [
      Number(child),
      ...descendants(Number(child)),
    ]);
  } catch {
    return [];
  }
}

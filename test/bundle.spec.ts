// The bundle (`make bundle`) alone: in a folder with its addons, without project and packages.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installBundle, insteadOf } from '../bench/host/installed.ts';
import { Lab } from '../lab/lab.ts';
import { packageRoot } from '../lab/package-root.ts';
import { waitFor } from '../lab/wait.ts';

const run = promisify(execFile);

describe('the bundle', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-bundle-'));
    for (const part of ['weft.mjs', 'addons'])
      cpSync(join(packageRoot(), 'dist', part), join(folder, part), { recursive: true });
  });
  after(() => rmSync(folder, { recursive: true }));

  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
      version: string;
    };
    const { stdout } = await run(join(folder, 'weft.mjs'), ['version']);
    assert.equal(stdout, `weft ${version} (flannel-compatible)\n`);
  });

  it('connects a host with kernel VXLAN and one in userspace', async () => {
    const lab = ['lab', 'run', '--name', 'bundle', '--hosts', '2', '--userspace', 'h2', '--json'];
    const { stdout } = await run(process.execPath, [join(folder, 'weft.mjs'), ...lab]);
    const { ping, ok } = JSON.parse(stdout) as { ping: { lost: number; sent: number }; ok: boolean };
    assert.deepEqual({ ok, lost: ping.lost }, { ok: true, lost: 0 });
    assert.ok(ping.sent > 0);
  });

  it('keeps the code that its daemon compiled, and compiles again what is damaged', async () => {
    const installed = installBundle();
    const cache = join(installed, 'cache');
    const lab = await Lab.create({ name: 'bundle-code', hosts: 1 });
    const kept = (): readonly string[] =>
      readdirSync(cache)
        // Not drafts, which are renamed.
        .filter((name) => name.endsWith('.cjs'))
        .map((name) => `${name} ${statSync(join(cache, name)).ino}`);
    const restart = async (): Promise<void> => {
      await lab.stopDaemon('h1');
      await lab.startDaemon('h1', [], insteadOf(join(installed, 'bin/weft')));
    };
    try {
      await restart();
      await waitFor('both files', () => kept().length === 2, 10_000);
      const first = kept();
      assert.deepEqual(
        first.map((line) => line.split(' ')[0]),
        ['weft-packages.cjs', 'weft.cjs'],
      );
      await restart();
      assert.deepEqual(kept(), first);
      truncateSync(join(cache, 'weft.cjs'), 1000);
      await restart();
      await waitFor('the damaged file', () => statSync(join(cache, 'weft.cjs')).size > 100_000, 10_000);
      assert.ok(kept().includes(first[0]!));
    } finally {
      await lab.down();
      rmSync(installed, { recursive: true });
    }
  });

  it('carries the license of every package in it', () => {
    const licenses = readFileSync(join(packageRoot(), 'dist/THIRD-PARTY-LICENSES'), 'utf8');
    for (const name of ['@grpc/grpc-js', 'ipaddr.js', 'jsonc-parser', 'netlink', 'prom-client', 'yaml'])
      assert.match(licenses, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(.+\\)$`, 'm'));
  });
});

// The root filesystem of deploy/container/rootfs.sh, run by deploy/container/run.sh without an
// engine.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../lab/package-root.ts';
import { HEALTH_PORT } from '../lab/daemon-command.ts';
import { ETCD_URL } from '../lab/topology.ts';
import { waitFor } from '../lab/wait.ts';
import { shellTest, programmedPeers, useLab, waitUntilReady } from './support/lab-suite.ts';

const SCRIPTS = join(packageRoot(), 'deploy/container');

describe('the root filesystem for containers', () => {
  const lab = useLab({ hosts: 2, bare: ['h1'] });
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'weft-root-'))));
  after(() => rmSync(folder, { recursive: true }));

  it('is complete, and its weft connects a host with two capabilities', async () => {
    const root = join(folder, 'root');
    await promisify(execFile)('sh', [join(SCRIPTS, 'rootfs.sh'), root], {
      env: { ...process.env, WEFT_NODE: process.execPath },
    });
    const health = ['--healthz-ip', '127.0.0.1', '--healthz-port', String(HEALTH_PORT)];
    const command = ['sh', join(SCRIPTS, 'run.sh'), root, 'daemon', '--etcd-endpoints', ETCD_URL, ...health];
    const background = '"$@" </dev/null >/run/container.log 2>&1 & echo $!';
    const pid = (await lab().check('h1', ['sh', '-c', background, 'sh', ...command])).trim();
    await waitUntilReady(lab(), 'h1');
    assert.equal((await programmedPeers(lab(), 'h1')).length, 1);
    assert.ok(await shellTest(lab(), 'h1', 'grep -q ^FLANNEL_SUBNET= /run/flannel/subnet.env'));
    // CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13.
    assert.ok(await shellTest(lab(), 'h1', `grep -q '^CapEff:.0000000000003000$' /proc/${pid}/status`));
    await lab().check('h1', ['kill', '-TERM', pid]);
    await waitFor(
      'weft to end',
      async () => !(await shellTest(lab(), 'h1', `test -e /proc/${pid}/exe`)),
      60_000,
    );
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireLabTools } from './required-tools.ts';

describe('programs that a lab needs', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-tools-'));
    for (const name of ['bash', 'ip', 'bridge', 'etcdctl', 'iperf3', 'nsenter', 'ping', 'unshare'])
      symlinkSync('/bin/true', join(folder, name));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('are named with their packages, all at once', () =>
    assert.throws(() => requireLabTools(`/nonexistent:${folder}`), {
      message:
        'A lab needs etcd, sysctl, which this machine lacks: as root apt-get install etcd-server procps',
    }));

  it('are searched in every folder', () => {
    const other = join(folder, 'other');
    symlinkSync(folder, other);
    for (const name of ['etcd', 'sysctl']) symlinkSync('/bin/true', join(folder, name));
    requireLabTools(`/nonexistent:${other}`);
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { daemonCommand } from '../../lab/daemon-command.ts';
import { planTopology } from '../../lab/topology.ts';
import { insteadOf } from './installed.ts';

describe('an installed program', () => {
  it("starts in place of the lab's, with the same arguments", () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-installed-'));
    try {
      const program = join(folder, 'weft');
      writeFileSync(program, '#!/bin/sh\necho "$0 $*"\n', { mode: 0o755 });
      const command = daemonCommand(planTopology({ hosts: 1 }).hosts[0]!, ['--log-level', 'error']);
      const [file, ...args] = [...insteadOf(program, 'echo first'), ...command];
      const [first, second = ''] = execFileSync(file!, args, { encoding: 'utf8' }).split('\n');
      assert.equal(first, 'first');
      assert.ok(second.startsWith(`${program} daemon --host-name h1 --etcd-endpoints `), second);
      assert.ok(second.endsWith('--log-level error'), second);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

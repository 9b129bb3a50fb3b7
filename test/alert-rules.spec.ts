// The alert rules, evaluated by Prometheus itself.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../lab/package-root.ts';

describe('the alert rules', () => {
  const folder = join(packageRoot(), 'deploy/prometheus');
  const promtool = (...args: string[]): Promise<unknown> =>
    promisify(execFile)('promtool', args, { cwd: folder });

  it('are valid, and each fires on its own condition only', async () => {
    await promtool('check', 'rules', 'weft.rules.yml');
    await promtool('test', 'rules', 'weft.rules.test.yml');
  });

  it('each have a summary, the command to run next, and a part of the docs', async () => {
    const rules = await readFile(join(folder, 'weft.rules.yml'), 'utf8');
    const docs = await readFile(join(packageRoot(), 'docs/how-to/monitor.md'), 'utf8');
    const alerts = rules.split('- alert: ').slice(1);
    for (const alert of alerts) {
      const name = /^\w+/.exec(alert)![0];
      assert.match(alert, /^ +summary: '.+'$/m, name);
      assert.match(alert, /^ +description: '.*(?:weft|systemctl|etcdctl|journalctl) .*'$/m, name);
      const host = String.raw`\{\{ (?:\$labels\.instance|with query .* label "instance" \}\}\{\{ end) \}\}`;
      assert.match(
        alert,
        new RegExp(`runbook_url: 'http://${host}/runbook#${name.toLowerCase()}'$`, 'm'),
        name,
      );
      assert.match(docs, new RegExp(`^### ${name}$`, 'm'));
    }
  });
});

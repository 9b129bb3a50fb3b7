// What the real program writes to standard error: lines of its log and nothing else, whatever its libraries think.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { makeCertificates } from './support/certificates.ts';
import { startEtcd } from '../lab/etcd-server.ts';

describe('log stream', () => {
  it('contains JSON lines only, with TLS to an IP address', async () => {
    const certificates = await makeCertificates('IP:127.0.0.1');
    const etcd = await startEtcd({ tls: certificates });
    const flags = ['--etcd-endpoints', etcd.url, '--etcd-cafile', certificates.ca, '--log-format', 'json'];
    const daemon = spawn('bin/weft', ['daemon', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      const messages: string[] = [];
      for await (const line of createInterface({ input: daemon.stderr })) {
        messages.push((JSON.parse(line) as { message: string }).message);
        // It has been connected by then.
        if (messages.at(-1)?.startsWith('There is no network config')) daemon.kill('SIGTERM');
      }
      if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
      assert.equal(daemon.exitCode, 0);
      assert.match(messages.at(-1) ?? '', /^Stopping/);
    } finally {
      daemon.kill('SIGKILL');
      await etcd.stop();
      await certificates.remove();
    }
  });
});

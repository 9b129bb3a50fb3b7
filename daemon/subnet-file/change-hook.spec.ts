import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { waitFor } from '../../lab/wait.ts';
import { ChangeHook, hookEnvironment } from './change-hook.ts';
import { createLogger } from '../log/log.ts';

const envOf = (subnet: string, mtu = 1450): string => `FLANNEL_SUBNET=${subnet}\nFLANNEL_MTU=${mtu}\n`;
const [FIRST, SECOND, THIRD] = ['10.5.1.1/24', '10.5.2.1/24', '10.5.3.1/24'].map((subnet) =>
  envOf(subnet),
) as [string, string, string];

describe('the change hook', () => {
  let folder: string;
  let hook: ChangeHook;
  let log: string[];
  let subnetFile: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-hook-'));
    subnetFile = join(folder, 'subnet.env');
    log = [];
  });
  afterEach(async () => {
    await hook.stop();
    await rm(folder, { recursive: true });
  });

  const write = (line: string): void => void log.push(line);
  async function start(args: readonly string[], timeoutMs = 60_000): Promise<void> {
    hook = new ChangeHook({ args, timeoutMs, subnetFile, clock: systemClock, log: createLogger({ write }) });
    await hook.start();
  }

  const inShell = (script: string): readonly string[] => ['sh', '-c', script, 'sh', folder];
  /** Records its variables, one line a run. */
  const record = (): readonly string[] => inShell('echo "$FLANNEL_SUBNET $WEFT_CHANGED" >>"$1/runs"');
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '');
  const runs = (): number => hook.counts.ok + hook.counts.failed + hook.counts.timeout;
  const afterRuns = (count: number): Promise<void> =>
    waitFor(`${count} runs`, () => Promise.resolve(runs() === count && !hook.isRunning), 60_000, 5);
  const lines = (subnets: readonly string[]): string =>
    subnets.map((subnet) => `${subnet}/24 FLANNEL_SUBNET\n`).join('');

  it('runs for the first subnet of a host, then once for each change', async () => {
    await start(record());
    hook.notify(FIRST);
    await afterRuns(1);
    hook.notify(FIRST);
    hook.notify(SECOND);
    await afterRuns(2);
    assert.equal(await read('runs'), `10.5.1.1/24 FLANNEL_SUBNET FLANNEL_MTU\n${lines(['10.5.2.1'])}`);
  });

  it('does not run again after a restart, nor for a subnet.env older than the flag', async () => {
    await writeFile(subnetFile, FIRST);
    for (let round = 0; round < 2; round++) {
      await start(record());
      hook.notify(FIRST);
      await hook.stop();
    }
    await start(record());
    hook.notify(SECOND);
    await afterRuns(1);
    await hook.stop();
    await start(record());
    hook.notify(SECOND);
    hook.notify(THIRD);
    await afterRuns(1);
    assert.equal(await read('runs'), lines(['10.5.2.1', '10.5.3.1']));
  });

  it('runs once at a time, and once more for the last of several changes', async () => {
    await writeFile(subnetFile, FIRST);
    await start(
      inShell(
        'mkdir "$1/busy" || echo both >>"$1/runs"; while [ ! -e "$1/go" ]; do sleep 0.01; done; rmdir "$1/busy"; echo "$FLANNEL_SUBNET $WEFT_CHANGED" >>"$1/runs"',
      ),
    );
    hook.notify(SECOND);
    await waitFor('the command to run', () => Promise.resolve(hook.isRunning), 60_000, 5);
    for (const text of [THIRD, FIRST, THIRD]) hook.notify(text);
    assert.equal(hook.isRunning, true);
    await writeFile(join(folder, 'go'), '');
    await afterRuns(2);
    assert.equal(await read('runs'), lines(['10.5.2.1', '10.5.3.1']));
  });

  it('logs a failure with the end of its output and does not retry', async () => {
    await start(inShell('echo out; echo "no such service" >&2; exit 3'));
    hook.notify(FIRST);
    await afterRuns(1);
    hook.notify(FIRST);
    assert.match(log.join(''), /ERROR .*--on-change ended with code 3; .*no such service/);
    assert.deepEqual(hook.counts, { ok: 0, failed: 1, timeout: 0 });
  });

  it('names a program that cannot be started', async () => {
    await start([join(folder, 'missing')]);
    hook.notify(FIRST);
    await afterRuns(1);
    assert.match(log.join(''), /cannot be started: \S+missing does not exist; correct --on-change/);
  });

  it('terminates the command and its children after the timeout', async () => {
    await start(inShell('sleep 1000 & echo $! >"$1/child"; trap "" TERM; sleep 1000; sleep 1000'), 300);
    hook.notify(FIRST);
    await afterRuns(1);
    assert.equal(hook.counts.timeout, 1);
    assert.match(log.join(''), /took longer than 0.3 s and was terminated/);
    await assertGone((await read('child')).trim());
  });

  it('terminates the command with the daemon and repeats it at the next start', async () => {
    await writeFile(subnetFile, FIRST);
    await start(inShell('echo $$ >"$1/child.new"; mv "$1/child.new" "$1/child"; sleep 1000'));
    hook.notify(SECOND);
    await waitFor('the command to run', async () => (await read('child')) !== '', 60_000, 5);
    await hook.stop();
    await assertGone((await read('child')).trim());
    await start(record());
    hook.notify(SECOND);
    await afterRuns(1);
    assert.equal(await read('runs'), lines(['10.5.2.1']));
  });

  it('passes previous values and no secret of the daemon', () => {
    process.env['FLANNELD_ETCD_PASSWORD'] = 'secret';
    try {
      const { PATH, ...env } = hookEnvironment(
        '/run/flannel/subnet.env',
        envOf('10.5.1.1/24'),
        envOf('10.5.1.1/24', 1400),
      );
      assert.equal(PATH, process.env['PATH']);
      assert.deepEqual(env, {
        FLANNEL_SUBNET: '10.5.1.1/24',
        FLANNEL_MTU: '1400',
        WEFT_PREVIOUS_FLANNEL_MTU: '1450',
        WEFT_CHANGED: 'FLANNEL_MTU',
        WEFT_SUBNET_FILE: '/run/flannel/subnet.env',
      });
    } finally {
      delete process.env['FLANNELD_ETCD_PASSWORD'];
    }
  });
});

/** A process that has ended may still wait to be collected by its parent. */
async function assertGone(pid: string): Promise<void> {
  assert.match(pid, /^\d+$/);
  const isGone = async (): Promise<boolean> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') X');
    return /\) [XZ]/.test(stat);
  };
  await waitFor(`process ${pid} to end`, isGone, 60_000, 5);
}

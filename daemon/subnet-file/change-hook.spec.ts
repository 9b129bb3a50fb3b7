import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../lab/wait.ts';
import { ChangeHook, hookEnvironment } from './change-hook.ts';
import { createLogger } from '../log/log.ts';

const envOf = (subnet: string, mtu = 1450): string => `FLANNEL_SUBNET=${subnet}\nFLANNEL_MTU=${mtu}\n`;
const [FIRST, SECOND, THIRD] = ['10.5.1.1/24', '10.5.2.1/24', '10.5.3.1/24'].map((subnet) =>
  envOf(subnet),
) as [string, string, string];

describe('the command of --on-change', () => {
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
  async function start(words: readonly string[], timeoutMs = 60_000): Promise<void> {
    hook = new ChangeHook({ words, timeoutMs, subnetFile, log: createLogger({ write }) });
    await hook.start();
  }

  const inShell = (script: string): readonly string[] => ['sh', '-c', script, 'sh', folder];
  /** Says what it is told, a line a run. */
  const tell = (): readonly string[] => inShell('echo "$FLANNEL_SUBNET $WEFT_CHANGED" >>"$1/told"');
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '');
  const runs = (): number => hook.counts.ok + hook.counts.failed + hook.counts.timeout;
  const afterRuns = (count: number): Promise<void> =>
    waitFor(`${count} runs`, () => Promise.resolve(runs() === count && !hook.isRunning), 60_000, 5);
  const lines = (subnets: readonly string[]): string =>
    subnets.map((subnet) => `${subnet}/24 FLANNEL_SUBNET\n`).join('');

  it('runs for the first subnet of a host, then for each change, and not without one', async () => {
    await start(tell());
    hook.tell(FIRST);
    await afterRuns(1);
    hook.tell(FIRST);
    hook.tell(SECOND);
    await afterRuns(2);
    assert.equal(await read('told'), `10.5.1.1/24 FLANNEL_SUBNET FLANNEL_MTU\n${lines(['10.5.2.1'])}`);
  });

  it('does not run again after a restart, nor where it is new and subnet.env is old', async () => {
    await writeFile(subnetFile, FIRST);
    for (let round = 0; round < 2; round++) {
      await start(tell());
      hook.tell(FIRST);
      await hook.stop();
    }
    await start(tell());
    hook.tell(SECOND);
    await afterRuns(1);
    await hook.stop();
    await start(tell());
    hook.tell(SECOND);
    hook.tell(THIRD);
    await afterRuns(1);
    assert.equal(await read('told'), lines(['10.5.2.1', '10.5.3.1']));
  });

  it('runs one at a time, and once more for the last of the changes meanwhile', async () => {
    await writeFile(subnetFile, FIRST);
    await start(
      inShell(
        'mkdir "$1/busy" || echo both >>"$1/told"; while [ ! -e "$1/go" ]; do sleep 0.01; done; rmdir "$1/busy"; echo "$FLANNEL_SUBNET $WEFT_CHANGED" >>"$1/told"',
      ),
    );
    hook.tell(SECOND);
    for (const text of [THIRD, FIRST, THIRD]) hook.tell(text);
    assert.equal(hook.isRunning, true);
    await writeFile(join(folder, 'go'), '');
    await afterRuns(2);
    assert.equal(await read('told'), lines(['10.5.2.1', '10.5.3.1']));
  });

  it('is logged with its last words when it fails, and not tried again', async () => {
    await start(inShell('echo out; echo "no such service" >&2; exit 3'));
    hook.tell(FIRST);
    await afterRuns(1);
    hook.tell(FIRST);
    assert.match(log.join(''), /ERROR .*--on-change ended with code 3; .*no such service/);
    assert.deepEqual(hook.counts, { ok: 0, failed: 1, timeout: 0 });
  });

  it('is named where it cannot be started', async () => {
    await start([join(folder, 'missing')]);
    hook.tell(FIRST);
    await afterRuns(1);
    assert.match(log.join(''), /cannot be started: there is no .*missing; correct --on-change/);
  });

  it('is ended after its time, with what it started', async () => {
    await start(inShell('sleep 1000 & echo $! >"$1/child"; trap "" TERM; sleep 1000; sleep 1000'), 300);
    hook.tell(FIRST);
    await afterRuns(1);
    assert.equal(hook.counts.timeout, 1);
    assert.match(log.join(''), /took longer than 0.3 s and was ended/);
    await assertGone((await read('child')).trim());
  });

  it('is ended with the daemon, and told again at the next start', async () => {
    await writeFile(subnetFile, FIRST);
    await start(inShell('echo $$ >"$1/child.new"; mv "$1/child.new" "$1/child"; sleep 1000'));
    hook.tell(SECOND);
    await waitFor('the command to run', async () => (await read('child')) !== '', 60_000, 5);
    await hook.stop();
    await assertGone((await read('child')).trim());
    await start(tell());
    hook.tell(SECOND);
    await afterRuns(1);
    assert.equal(await read('told'), lines(['10.5.2.1']));
  });

  it('gets what was, and no secret of the daemon', () => {
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

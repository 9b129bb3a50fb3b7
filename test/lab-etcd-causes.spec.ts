// Lasting causes for which a daemon does not get at etcd. Each is in the log and in /readyz?verbose, at start and
// later, with what to correct; and the daemon goes on as soon as it is corrected.
import assert from 'node:assert/strict';
import { DEFAULT_CONFIG, type Lab } from '../lab/lab.ts';
import { ETCD_URL } from '../lab/topology.ts';
import { waitFor } from '../lab/wait.ts';
import { askReadyz, logOf, waitForLogLine } from './support/daemon-view.ts';
import { useLab, waitUntilReady } from './support/lab-suite.ts';

const FOLLOW_MS = 60_000;

async function waitForReason(lab: Lab, name: string, pattern: RegExp): Promise<void> {
  const isGiven = async (): Promise<boolean> => pattern.test((await askReadyz(lab, name)).body);
  await waitFor(`${name} to give ${String(pattern)}`, isGiven, FOLLOW_MS);
}

const count = (text: string, pattern: RegExp): number => text.match(new RegExp(pattern, 'g'))?.length ?? 0;

describe('causes why etcd is out of reach', () => {
  const lab = useLab({ hosts: 3, start: false, attach: false });
  const root = ['--user', 'root:right'];

  before(async () => {
    await lab().startEtcd();
    await lab().putConfig(DEFAULT_CONFIG);
    await lab().etcdctl(['user', 'add', 'root:right']);
    await lab().etcdctl(['user', 'grant-role', 'root', 'root']);
    await lab().etcdctl(['auth', 'enable']);
  });

  const causes: readonly (readonly [string, string, readonly string[], RegExp])[] = [
    [
      'a wrong password',
      'h1',
      ['--etcd-username=root', '--etcd-password=wrong'],
      /authentication failed.*; check --etcd-username \(root\) and --etcd-password/,
    ],
    [
      'no user',
      'h2',
      [],
      /user name is empty; this etcd wants a user: set --etcd-username and --etcd-password/,
    ],
    [
      'a name that does not resolve',
      'h3',
      [`--etcd-endpoints=${ETCD_URL.replace('198.18.0.2', 'etcd.invalid')}`],
      /(the name etcd\.invalid does not resolve .*; correct --etcd-endpoints|no answer within \d+ ms; check that etcd\.invalid resolves)/,
    ],
  ];
  for (const [what, name, flags, pattern] of causes)
    it(`are named at start: ${what}`, async () => {
      await lab().startDaemon(name, flags);
      await waitForLogLine(
        lab(),
        name,
        new RegExp(`ERROR Registry unavailable, waiting for it: .*${pattern.source}`),
      );
      await waitForReason(lab(), name, new RegExp(`waiting for the registry: .*${pattern.source}`));
      assert.doesNotMatch(await logOf(lab(), name), /wrong/);
      await lab().stopDaemon(name);
    });

  it('are named later: a password that changed, once', async () => {
    const cause = /check --etcd-username \(root\) and --etcd-password/;
    const earlier = count(await logOf(lab(), 'h1'), cause);
    await lab().startDaemon('h1', ['--etcd-username=root', '--etcd-password=right']);
    await waitUntilReady(lab(), 'h1');
    await lab().etcdctl([...root, 'user', 'passwd', 'root', '--interactive=false'], { input: 'other\n' });
    // Tokens live in the memory of etcd: with its restart each client gives its password again.
    await lab().stopEtcd('TERM');
    await lab().startEtcd();
    await waitForReason(lab(), 'h1', new RegExp(`the registry is not reachable: .*${cause.source}`));
    await waitForLogLine(lab(), 'h1', cause);
    await lab().etcdctl(['--user', 'root:other', 'user', 'passwd', 'root', '--interactive=false'], {
      input: 'right\n',
    });
    const isBack = async (): Promise<boolean> =>
      !(await askReadyz(lab(), 'h1')).body.includes('not reachable');
    await waitFor('h1 to have etcd again', isBack, 2 * FOLLOW_MS);
    assert.equal(count(await logOf(lab(), 'h1'), cause), earlier + 1);
  });

  it('are named later: the first loss after a start without etcd', async () => {
    await lab().stopEtcd('TERM');
    await lab().startDaemon('h2', ['--etcd-username=root', '--etcd-password=right']);
    await waitForLogLine(lab(), 'h2', /ERROR Registry unavailable, waiting for it/);
    await lab().startEtcd();
    await waitUntilReady(lab(), 'h2');
    const from = (await logOf(lab(), 'h2')).length;
    await lab().stopEtcd('KILL');
    const isLogged = async (): Promise<boolean> =>
      /Registry lost; forwarding goes on.*error=/.test((await logOf(lab(), 'h2')).slice(from));
    await waitFor('the loss to be logged', isLogged, FOLLOW_MS);
    await lab().startEtcd();
  });
});

// Backend ipsec with strongSwan's charon: policies and connections. Tunnels need ESP in the kernel, and are tested in
// test/kernel/lab-ipsec-tunnels.spec.ts.
import assert from 'node:assert/strict';
import { subnetOf } from '../lab/run.ts';
import { waitFor } from '../lab/wait.ts';
import { overlayDevicesOf } from './support/daemon-view.ts';
import { runDoctor, waitUntilNamed } from './support/doctor/fault.ts';
import { besideCharon, KILL_CHARON, reconnect, WITH_OWN_RUN } from './support/ipsec/ipsec-lab.ts';
import { kernelHas } from './support/kernel-features.ts';
import { canPing, useLab, waitUntilReady } from './support/lab-suite.ts';

const REPAIR_MS = 60_000;
/** Less than from one reading of the whole kernel to the next: a notification says it. */
const NOTICED_MS = 15_000;
const PSK = '0123456789abcdef'.repeat(6);
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });
const IPSEC = { Type: 'ipsec', PSK };

describe('backend ipsec', () => {
  const lab = useLab({ hosts: 2, bare: ['h1', 'h2'], config: configOf(IPSEC) });
  const names = ['h1', 'h2'];
  const policies = async (name: string) =>
    (await lab().check(name, ['ip', 'xfrm', 'policy']))
      .split('\n')
      .filter((line) => line.startsWith('src 10.5.'));

  before(async () => {
    for (const name of names) await lab().startDaemon(name, [], WITH_OWN_RUN);
    for (const name of names) await waitUntilReady(lab(), name);
    for (const name of names) await lab().attachContainer(name);
  });

  it("makes flannel's policies, and a connection a peer in charon", async () => {
    const [own, peer] = await Promise.all(names.map((name) => subnetOf(lab(), name)));
    await waitFor('policies', async () => (await policies('h1')).length === 3, REPAIR_MS);
    assert.deepEqual(
      (await policies('h1')).map((line) => line.trim()).sort(),
      [`src ${own} dst ${peer}`, `src ${peer} dst ${own}`, `src ${peer} dst ${own}`].sort(),
    );
    const isInSync = async () => /programmed/.test((await lab().weft('h1', ['peers'])).stdout);
    await waitFor('the peer to be in sync', isInSync, REPAIR_MS);
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1423$/m);
    assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), []);
  });

  it('is healthy to weft doctor, but for a kernel without ESP', async () => {
    const only = kernelHas('esp') ? [] : ['ipsec-tunnel'];
    const isSo = async (): Promise<boolean> => {
      const { findings } = await runDoctor(lab(), 'h1', [], await besideCharon(lab(), 'h1'));
      assert.deepEqual(
        findings.map(({ check }) => check),
        only,
        JSON.stringify(findings),
      );
      return true;
    };
    await waitFor('tunnels', () => isSo().catch(() => false), REPAIR_MS, 500).catch(isSo);
  });

  const flushPolicies = async (): Promise<void> => {
    await lab().check('h1', ['ip', 'xfrm', 'policy', 'flush']);
    await waitFor('policies', async () => (await policies('h1')).length === 3, NOTICED_MS);
  };
  it('repairs policies that another program deletes', flushPolicies);

  it('repairs what the process before it made, and starts another charon', async () => {
    const under = await besideCharon(lab(), 'h1');
    await lab().stopDaemon('h1', 'KILL');
    await lab().startDaemon('h1', [], under);
    await waitUntilReady(lab(), 'h1');
    await flushPolicies();
    await lab().check('h1', KILL_CHARON);
    const runsAgain = async () => (await besideCharon(lab(), 'h1')).join() !== under.join();
    await waitFor('charon to run', runsAgain, NOTICED_MS);
  });

  describe('weft doctor', () => {
    const nameCause = async (evidence: RegExp, fix: RegExp): Promise<void> => {
      const under = await besideCharon(lab(), 'h1');
      const isNamed = async (): Promise<boolean> => {
        const found = await waitUntilNamed(lab(), 'h1', { finds: ['ipsec-tunnel'], under });
        assert.match(found.evidence.join(), evidence);
        assert.match(found.fix, fix);
        return true;
      };
      await waitFor(`it to find ${String(evidence)}`, isNamed, REPAIR_MS, 500);
    };
    it('names a charon that is not installed', async () => {
      const hide =
        'for folder in /usr/lib/ipsec /usr/lib/strongswan; do [ ! -d $folder ] || mount -t tmpfs tmpfs $folder; done; exec "$@"';
      const under = ['unshare', '--mount', 'sh', '-c', hide, 'sh'];
      const { fix } = await waitUntilNamed(lab(), 'h1', { finds: ['charon-missing'], under });
      assert.match(fix, /strongswan-charon/);
    });

    it('names a kernel without ESP, and no tunnel that is there', async () => {
      const without = () => nameCause(/negotiated with it, and there is no ESP tunnel/, /modprobe esp4/);
      if (!kernelHas('esp')) return without();
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
      const { findings } = await runDoctor(
        lab(),
        'h1',
        ['--only', 'ipsec-tunnel'],
        await besideCharon(lab(), 'h1'),
      );
      assert.deepEqual(findings, []);
    });

    it('names a firewall that drops the key exchange', async () => {
      const drop =
        'table ip b { chain i { type filter hook input priority 0; udp dport { 500, 4500 } drop; }; }';
      await lab().check('h2', ['nft', drop]);
      await reconnect(lab(), 'h1');
      await nameCause(/at 198\.18\.1\.2: its charon does not answer/, /UDP ports 500 and 4500/);
      const { evidence } = await waitUntilNamed(lab(), 'h2', { finds: ['port-dropped'] });
      assert.match(evidence.join(), /500/);
      await lab().check('h2', ['nft', 'delete', 'table', 'ip', 'b']);
    });

    it('names another PSK', async () => {
      const pid = (await lab().check('h2', ['cat', '/run/h2.pid'])).trim();
      // Its daemon does not follow the config.
      await lab().check('h2', ['kill', '-STOP', pid]);
      await lab().putConfig(configOf({ ...IPSEC, PSK: PSK.toUpperCase() }));
      const hasFollowed = async (): Promise<boolean> =>
        /programmed/.test((await lab().weft('h1', ['peers'])).stdout);
      await waitFor('h1 to follow', hasFollowed, REPAIR_MS);
      await reconnect(lab(), 'h1');
      await nameCause(/charon has no connection with it/, /"PSK".*AUTHENTICATION_FAILED/);
      await lab().check('h2', ['kill', '-CONT', pid]);
      await waitUntilReady(lab(), 'h2');
    });
  });
});

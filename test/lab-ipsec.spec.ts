// Backend ipsec with strongSwan's charon. Every host has a /run of its own, where charon's socket is. Without ESP in the
// kernel, policies and connections alone are tested (`make test-kernel` has it).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { subnetOf } from '../lab/run.ts';
import { startPing } from '../lab/traffic.ts';
import { waitFor } from '../lab/wait.ts';
import { overlayDevicesOf } from './support/daemon-view.ts';
import { waitUntilNamed } from './support/doctor/fault.ts';
import { canPing, shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';

const REPAIR_MS = 60_000;
const PSK = '0123456789abcdef'.repeat(6);
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });
const IPSEC = { Type: 'ipsec', PSK };

/** The lab's files stay where they are. */
const OWN_RUN =
  'mkdir -p /tmp/lab-run && mount --bind /run/weft-lab /tmp/lab-run && mount -t tmpfs tmpfs /run && mkdir -p /run/weft-lab /run/wireguard && mount --bind /tmp/lab-run /run/weft-lab && exec "$@"';
const UNDER = ['unshare', '--mount', 'sh', '-c', OWN_RUN, 'sh'];

/** Whether the kernel has ESP. Of a virtual machine it is known: there a failure is one of the suite. */
function hasEsp(): boolean {
  if (process.env['WEFT_TEST_KERNEL'] !== undefined) return true;
  const id = 'src 127.0.0.8 dst 127.0.0.9 proto esp spi 0x1000';
  const script = `ip xfrm state add ${id} mode tunnel enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff && ip xfrm state del ${id}`;
  return spawnSync('unshare', ['--net', 'sh', '-c', script], { stdio: 'ignore' }).status === 0;
}

describe('backend ipsec', () => {
  const lab = useLab({ hosts: 2, bare: ['h1', 'h2'], config: configOf(IPSEC) });
  const names = ['h1', 'h2'];
  const policies = async (name: string) =>
    (await lab().check(name, ['ip', 'xfrm', 'policy']))
      .split('\n')
      .filter((line) => line.startsWith('src 10.5.'));

  /** In the mount namespace of the host's charon, where its socket is. */
  const inside = async (name: string): Promise<readonly string[]> => {
    const pid = await lab().check(name, ['sh', '-c', 'pgrep --ns $$ --nslist net -x charon']);
    return ['nsenter', '--mount', `--target=${pid.trim().split('\n')[0]}`, '--'];
  };

  before(async () => {
    for (const name of names) await lab().startDaemon(name, [], UNDER);
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

  it('repairs policies that another program deletes', async () => {
    await lab().check('h1', ['ip', 'xfrm', 'policy', 'flush']);
    await waitFor('policies', async () => (await policies('h1')).length === 3, REPAIR_MS);
  });

  describe('weft doctor', () => {
    const nameCause = async (evidence: RegExp, fix: RegExp): Promise<void> => {
      const under = await inside('h1');
      const isNamed = async (): Promise<boolean> => {
        const found = await waitUntilNamed(lab(), 'h1', { finds: ['ipsec-tunnel'], under });
        assert.match(found.evidence.join(), evidence);
        assert.match(found.fix, fix);
        return true;
      };
      await waitFor(`it to find ${String(evidence)}`, isNamed, REPAIR_MS, 500);
    };
    /** Ends all SAs with the peer, and begins another. */
    const reconnect = async (): Promise<void> => {
      const begin = `swanctl --terminate --force --ike-id "$id"`;
      const script = `for id in $(swanctl --list-sas 2>/dev/null | sed -n 's/^[0-9].*: #\\([0-9]*\\),.*/\\1/p'); do ${begin}; done
        child=$(swanctl --list-conns 2>/dev/null | sed -n 's/^  \\([0-9./-]*\\): TUNNEL.*/\\1/p')
        swanctl --initiate --timeout 1 --child "$child"; true`;
      await lab().check('h1', [...(await inside('h1')), 'sh', '-c', script]);
    };

    it('names a charon that is not installed', async () => {
      const hide =
        'for folder in /usr/lib/ipsec /usr/lib/strongswan; do [ ! -d $folder ] || mount -t tmpfs tmpfs $folder; done; exec "$@"';
      const under = ['unshare', '--mount', 'sh', '-c', hide, 'sh'];
      const { fix } = await waitUntilNamed(lab(), 'h1', { finds: ['charon-missing'], under });
      assert.match(fix, /strongswan-charon/);
    });

    it('names a kernel without ESP', async function skip() {
      if (hasEsp()) this.skip();
      await nameCause(/negotiated with it, and there is no ESP tunnel/, /modprobe esp4/);
    });

    it('names a firewall that drops the key exchange', async () => {
      const drop =
        'table ip b { chain i { type filter hook input priority 0; udp dport { 500, 4500 } drop; }; }';
      await lab().check('h2', ['nft', drop]);
      await reconnect();
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
      await reconnect();
      await nameCause(/charon has no connection with it/, /"PSK".*AUTHENTICATION_FAILED/);
      await lab().check('h2', ['kill', '-CONT', pid]);
      await waitUntilReady(lab(), 'h2');
    });
  });

  describe('with ESP in the kernel', () => {
    before(function skip() {
      if (!hasEsp()) this.skip();
    });

    it('carries pings at the full MTU', async () => {
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
      const address = await lab().containerAddress('h2');
      assert.ok(await shellTest(lab(), 'c1', `ping -q -c 2 -M do -s 1395 ${address}`));
    });

    it('puts no packet of the overlay on the wire in the clear', async () => {
      const address = await lab().containerAddress('h2');
      const capture = `timeout 5 tshark -i eth0 -Y 'ip.addr == 10.5.0.0/16' -l 2>/dev/null | grep -q .`;
      const [isSeen] = await Promise.all([
        shellTest(lab(), 'h1', capture),
        shellTest(lab(), 'c1', `sleep 1; ping -q -c 20 -i 0.1 ${address}`),
      ]);
      assert.ok(!isSeen);
    });

    it('comes back after charon was killed', async () => {
      await lab().check('h1', ['sh', '-c', 'pkill -KILL --ns $$ --nslist net -x charon']);
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
    });

    it('sends no packet of the overlay in the clear in a migration from and to vxlan, and in restarts', async () => {
      const own = 'ip saddr 10.5.0.0/16 counter name clear; ip daddr 10.5.0.0/16 counter name clear';
      const watch = `table netdev watch { counter clear {}; counter esp {}
        chain out { type filter hook egress device eth0 priority 0; ${own}; ip protocol esp counter name esp; }; }`;
      await lab().check('h1', ['nft', '-f', '-'], { input: watch });
      const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'), 10);
      const follow = async (backend: object, devices: string): Promise<void> => {
        await lab().putConfig(configOf(backend));
        for (const name of names) {
          const hasFollowed = async () => (await overlayDevicesOf(lab(), name)).join() === devices;
          await waitFor(`${name} to follow`, hasFollowed, REPAIR_MS);
        }
        await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
      };
      await follow({ Type: 'vxlan' }, 'flannel.1');
      await follow(IPSEC, '');
      const beside = await inside('h1');
      await lab().stopDaemon('h1', 'KILL');
      await lab().startDaemon('h1', [], beside);
      await waitUntilReady(lab(), 'h1');
      await lab().check('h1', ['sh', '-c', 'pkill -KILL --ns $$ --nslist net -x charon']);
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
      await ping.stop();
      const counters = await lab().check('h1', ['nft', 'list', 'counters', 'table', 'netdev', 'watch']);
      const packets = (name: string) =>
        Number(new RegExp(`counter ${name} \\{\\s*packets (\\d+)`).exec(counters)?.[1]);
      assert.equal(packets('clear'), 0);
      assert.ok(packets('esp') > 0);
    });
  });
});

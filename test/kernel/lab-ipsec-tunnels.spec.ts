// Tunnels of backend ipsec: SAs that charon negotiates, that end, that another program deletes, and a charon that crashes.
// Every host has a /run of its own, where charon's socket is.
import assert from 'node:assert/strict';
import { startPing } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { logOf, overlayDevicesOf } from '../support/daemon-view.ts';
import { besideCharon, KILL_CHARON, reconnect, spisOf, WITH_OWN_RUN } from '../support/ipsec/ipsec-lab.ts';
import { canPing, shellTest, useLab, waitUntilReady } from '../support/lab-suite.ts';
import { MARKED, WireCapture } from '../support/wire-capture.ts';

const REPAIR_MS = 60_000;
const PSK = '0123456789abcdef'.repeat(6);
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });
const IPSEC = { Type: 'ipsec', PSK };

/** Changes the limits of all SAs in place: `ip xfrm state` prints what an update needs. */
const LIMIT_SAS = `ip xfrm state | awk '
  /^src/ { id = $0 }
  /proto esp/ { sub(/^[ \\t]+/, ""); id = id " " $0 }
  /aead/ { print "ip xfrm state update", id, "aead \\"" $2 "\\"", $3, $4, limits }
' limits="$0" | sh -ex`;

describe('tunnels of backend ipsec', () => {
  const lab = useLab({ hosts: 2, bare: ['h1', 'h2'], config: configOf(IPSEC) });
  const names = ['h1', 'h2'];

  const flows = () => waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);

  before(async () => {
    for (const name of names) await lab().startDaemon(name, [], WITH_OWN_RUN);
    for (const name of names) await waitUntilReady(lab(), name);
    for (const name of names) await lab().attachContainer(name);
    await flows();
  });

  it('carries pings at the full MTU', async () => {
    const address = await lab().containerAddress('h2');
    assert.ok(await shellTest(lab(), 'c1', `ping -q -c 2 -M do -s 1395 ${address}`));
  });

  // At the switch: a receiving interface also shows what it decrypted.
  it('puts no packet of the overlay on the wire in the clear', async () => {
    const capture = await WireCapture.start(lab());
    const address = await lab().containerAddress('h2');
    await lab().check('c1', ['ping', '-q', '-c', '20', '-i', '0.1', ...MARKED, address]);
    await capture.waitForEncrypted(40);
    const frames = await capture.stop();
    const clear = frames.filter(({ isClear, from, to }) => isClear || `${from} ${to}`.includes('10.5.'));
    assert.deepEqual(clear, []);
  });

  it('loses no packet when SAs are replaced before they end', async () => {
    const before = await spisOf(lab(), 'h1');
    const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'), 5);
    await lab().check('h1', ['sh', '-c', LIMIT_SAS, 'limit time-soft 1 limit time-hard 600']);
    const areReplaced = async (): Promise<boolean> => {
      const spis = await spisOf(lab(), 'h1');
      return spis.length >= 2 && !spis.some((spi) => before.includes(spi));
    };
    await waitFor('other SAs', areReplaced, REPAIR_MS);
    const { lost, sent } = await ping.stop();
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
  });

  const ends: readonly [string, () => Promise<unknown>][] = [
    // Where charon's soft limit is still to come, xfrm_timer_handler ends no SA by its hard limit alone.
    ['ended', () => lab().check('h1', ['sh', '-c', LIMIT_SAS, 'limit time-soft 1 limit time-hard 2'])],
    ['were deleted by another program', () => lab().check('h1', ['ip', 'xfrm', 'state', 'flush'])],
    ['were deleted on the peer', () => lab().check('h2', ['ip', 'xfrm', 'state', 'flush'])],
    [
      'were deleted while charon could not notice',
      async () => {
        const charon = (signal: string) => ['sh', '-c', `pkill -${signal} --ns $$ --nslist net -x charon`];
        await lab().check('h1', charon('STOP'));
        await lab().check('h1', ['ip', 'xfrm', 'state', 'flush']);
        await lab().check('h1', charon('CONT'));
      },
    ],
  ];
  for (const [what, end] of ends)
    it(`negotiates again after SAs ${what}`, async () => {
      const before = await spisOf(lab(), 'h1');
      await end();
      const areGone = async (): Promise<boolean> =>
        !(await spisOf(lab(), 'h1')).some((spi) => before.includes(spi));
      if (what === 'ended') await waitFor('the SAs to be gone', areGone, REPAIR_MS);
      await flows();
    });

  it('follows another PSK without a lost packet, and negotiates with it', async () => {
    const changes = async (name: string): Promise<number> =>
      (await logOf(lab(), name)).split('Network config in force').length;
    const earlier = await Promise.all(names.map(changes));
    const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'), 5);
    await lab().putConfig(configOf({ ...IPSEC, PSK: PSK.toUpperCase() }));
    for (const [index, name] of names.entries()) {
      await waitFor(`${name} to follow`, async () => (await changes(name)) > earlier[index]!, REPAIR_MS);
      const isInSync = async () => (await lab().weft(name, ['diff'])).code === 0;
      await waitFor(`${name} to be in sync`, isInSync, REPAIR_MS);
    }
    const { lost, sent } = await ping.stop();
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    const before = await spisOf(lab(), 'h1');
    await reconnect(lab(), 'h1');
    const areOthers = async (): Promise<boolean> => {
      const spis = await spisOf(lab(), 'h1');
      return spis.length >= 2 && !spis.some((spi) => before.includes(spi));
    };
    await waitFor('SAs of the new PSK', areOthers, REPAIR_MS);
    await flows();
  });

  // Its SAs stay in the kernel: tests that compare SAs come before.
  it('comes back after charon was killed', async () => {
    await lab().check('h1', KILL_CHARON);
    await waitFor('charon to run', async () => (await besideCharon(lab(), 'h1')).length > 0, REPAIR_MS);
    await flows();
  });

  it('sends no packet of the overlay in the clear in a migration from and to vxlan, and in restarts', async () => {
    const own = 'ip saddr 10.5.0.0/16 counter name clear; ip daddr 10.5.0.0/16 counter name clear';
    const watch = `table netdev watch { counter clear {}; counter encrypted {}
      chain out { type filter hook egress device eth0 priority 0; ${own}; ip protocol esp counter name encrypted; }; }`;
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
    const beside = await besideCharon(lab(), 'h1');
    await lab().stopDaemon('h1', 'KILL');
    await lab().startDaemon('h1', [], beside);
    await waitUntilReady(lab(), 'h1');
    await lab().check('h1', KILL_CHARON);
    await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
    await ping.stop();
    const counters = await lab().check('h1', ['nft', 'list', 'counters', 'table', 'netdev', 'watch']);
    const packets = (name: string) =>
      Number(new RegExp(`counter ${name} \\{\\s*packets (\\d+)`).exec(counters)?.[1]);
    assert.equal(packets('clear'), 0);
    assert.ok(packets('encrypted') > 0);
  });
});

// Another port for hosts that encapsulate in userspace: both ports are received until no peer sends to the old one, and the
// device that the network's name belongs to comes back without a gap.
import assert from 'node:assert/strict';
import { startPing, type PingResult } from '../lab/traffic.ts';
import { waitFor } from '../lab/wait.ts';
import { overlayDevicesOf } from './support/daemon-view.ts';
import { shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';

const FOLLOW_MS = 60_000;
/** Packets wait in the sockets of userspace, which are small outside of the first user namespace. */
const PING_MS = 5;
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });

for (const [name, backend, device] of [
  ['udp', { Type: 'udp' }, 'flannel0'],
  ['VXLAN', { Type: 'vxlan', Userspace: true }, 'flannel.1'],
] as const)
  describe(`another port with ${name} in userspace`, () => {
    const lab = useLab({ hosts: 3, config: configOf(backend) });
    const names = () => lab().topology.hosts.map((host) => host.name);

    before(async () => {
      for (const host of names()) await waitUntilReady(lab(), host);
    });

    const hasFollowed = async (host: string, port: number): Promise<boolean> =>
      (await overlayDevicesOf(lab(), host)).join() === device &&
      (await shellTest(
        lab(),
        host,
        `[ "$(ss -Hlun 'sport >= 9000' | grep -o ':9[0-9]* ' | sort -u)" = ':${port} ' ]`,
      ));

    /** Pings between each two containers while `work` is done. */
    async function lossDuring(work: () => Promise<void>): Promise<PingResult> {
      const pings: Awaited<ReturnType<typeof startPing>>[] = [];
      for (const from of names())
        for (const to of names())
          if (from !== to)
            pings.push(
              await startPing(lab(), lab().host(from).container, await lab().containerAddress(to), PING_MS),
            );
      await work();
      const results = await Promise.all(pings.map((ping) => ping.stop()));
      const sum = (field: keyof PingResult) => results.reduce((total, result) => total + result[field], 0);
      return { sent: sum('sent'), received: sum('received'), lost: sum('lost') };
    }

    for (const port of [9001, 9002])
      it(`to port ${port} loses nothing, and leaves nothing of the old port`, async () => {
        const { lost, sent } = await lossDuring(async () => {
          await lab().putConfig(configOf({ ...backend, Port: port }));
          for (const host of names())
            await waitFor(`${host} to follow`, () => hasFollowed(host, port), FOLLOW_MS, 50);
        });
        assert.equal(lost, 0, `lost ${lost} of ${sent}`);
      });
  });

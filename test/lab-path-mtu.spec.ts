// Path MTUs of the packet path: ICMP errors that a host outside of the cluster forges cut nothing, and a path that does become
// narrow is found while they go on. Hosts are in two networks with a router between; the forger is in one of them.
import assert from 'node:assert/strict';
import type { Lab } from '../lab/lab.ts';
import { toolFile } from '../lab/tools.ts';
import { LabScript } from '../lab/traffic.ts';
import { waitFor } from '../lab/wait.ts';
import { useLab, waitUntilReady } from './support/lab-suite.ts';

const FIND_MS = 10_000;
const NARROW_MTU = 1400;
/** From nonsense to nearly right; 0 is how routers report before RFC 1191. */
const FORGED = ['100', '552', '576', '1100', '1280', '1390', '0'];
const FAMILIES = [4, 6] as const;
type Family = (typeof FAMILIES)[number];

const configOf = (backend: object) =>
  JSON.stringify({ Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:5::/48', Backend: backend });

const CASES = [
  ['udp', 8285, { Type: 'udp' }],
  ['VXLAN in userspace', 8472, { Type: 'vxlan', Userspace: true }],
] as const;

for (const bpf of ['auto', 'off'] as const)
  for (const [name, port, backend] of CASES)
    describe(`path MTU with ${name}, --bpf=${bpf}`, () => {
      const lab = useLab({
        hosts: 2,
        routed: true,
        outside: true,
        config: configOf(backend),
        daemonFlags: [`--bpf=${bpf}`],
      });

      before(async () => {
        for (const host of ['h1', 'h2']) await waitUntilReady(lab(), host);
        await waitFor('large packets to pass', async () => {
          const results = await Promise.all(FAMILIES.map((family) => pingLarge(lab(), family)));
          return results.every(({ isAnswered }) => isAnswered);
        });
      });

      for (const family of FAMILIES)
        it(`IPv${family} underlay: forged errors cut nothing`, async () => {
          const forger = await startForger(lab(), family, port);
          for (let round = 0; round < 10; round++) {
            const { isAnswered, output } = await pingLarge(lab(), family);
            assert.ok(isAnswered, output);
          }
          await forger.end();
        });

      for (const family of FAMILIES)
        it(`IPv${family} underlay: a narrow path is found beside forged errors`, async () => {
          const forger = await startForger(lab(), family, port);
          await narrow(lab(), family);
          const isFound = async () =>
            /(?:Frag needed|too big).*mtu/.test((await pingLarge(lab(), family)).output);
          await waitFor('the narrow path to be found', isFound, FIND_MS);
          // By now the container knows, and cuts its packets.
          const isCarried = async () => (await pingLarge(lab(), family, ['-M', 'dont'])).isAnswered;
          await waitFor('large packets to pass in pieces', isCarried, FIND_MS);
          await forger.end();
        });
    });

async function startForger(lab: Lab, family: Family, port: number): Promise<LabScript> {
  const [victim, peer] = [lab.host('h1'), lab.host('h2')].map((host) =>
    family === 4 ? host.publicIp : host.publicIpv6,
  );
  const forger = new LabScript(
    lab,
    'out',
    `exec ${toolFile('forge-mtu')} ${victim} ${peer} ${port} ${FORGED.join(' ')}`,
  );
  await waitFor('the forger to start', () => forger.output.includes('ready'));
  return forger;
}

/** The router's own route to the network of h2 gets a smaller MTU, which it reports. */
function narrow(lab: Lab, family: Family): Promise<string> {
  const route = family === 4 ? '198.19.0.0/16 dev br-b' : 'fd00:198:19::/64 dev br-b metric 256';
  return lab.check('sw', [
    'ip',
    `-${family}`,
    'route',
    'replace',
    ...`${route} proto kernel mtu ${NARROW_MTU}`.split(' '),
  ]);
}

/** A ping from c1 to c2 as large as the MTU of the containers. */
async function pingLarge(
  lab: Lab,
  family: Family,
  fragments: readonly string[] = ['-M', 'do'],
): Promise<{ readonly isAnswered: boolean; readonly output: string }> {
  const mtu = Number(/^FLANNEL_MTU=(\d+)$/m.exec(await lab.readSubnetEnv('h1'))?.[1]);
  const addresses = await lab.containerAddresses('h2');
  const address = addresses.find((each) => each.includes(':') === (family === 6))!;
  const size = String(mtu - (family === 4 ? 28 : 48));
  const command = ['ping', '-n', '-c', '1', '-W', '1', ...fragments, '-s', size, address];
  const { code, stdout, stderr } = await lab.exec('c1', command);
  return { isAnswered: code === 0, output: stdout + stderr };
}

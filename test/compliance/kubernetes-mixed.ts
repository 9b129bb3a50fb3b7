// A cluster of weft beside a node of flannel, whose annotations and kernel state a test makes as
// flanneld does. The node changes to weft and back while containers send a thousand packets a second.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { LabApiServer } from '../../lab/kubernetes/lab-api-server.ts';
import type { Lab } from '../../lab/lab.ts';
import { startPings } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { canPing, useLab, viewOf, waitUntilReady } from '../support/lab-suite.ts';
import { flannelAnnotations, LabCluster, PREFIX } from '../support/kubernetes/lab-cluster.ts';

const FOLLOW_MS = 60_000;
const MAC = '72:1c:5b:4a:90:0e';
const FLANNEL = { name: 'h2', subnet: '10.244.2.0/24', address: '10.244.2.0' } as const;

/** Declares the suite; `serverOf` makes the API server of a lab, which is not started. */
export function describeMixedCluster(
  title: string,
  backend: 'vxlan' | 'host-gw',
  serverOf: (lab: Lab) => LabApiServer,
): void {
  describe(`flannel and weft in one cluster: ${backend}, ${title}`, () => {
    const useIt = useLab({ hosts: 3, start: false });
    let lab: Lab;
    let server: LabApiServer;
    let cluster: LabCluster;

    before(async () => {
      lab = useIt();
      server = serverOf(lab);
      cluster = new LabCluster(lab, server);
      await server.start();
      await cluster.putConfig(JSON.stringify({ Network: '10.244.0.0/16', Backend: { Type: backend } }));
      for (const [index, name] of ['h1', 'h2', 'h3'].entries())
        await cluster.addNode(name, [`10.244.${index + 1}.0/24`]);
      for (const name of ['h1', 'h3']) await cluster.startDaemon(name);
      for (const name of ['h1', 'h3']) await waitUntilReady(lab, name);
      await writeSubnetFile();
      await startFlannel();
      for (const name of ['h1', 'h2', 'h3']) await lab.attachContainer(name);
    });
    after(() => server.stop().catch(() => undefined));

    /** As flanneld writes it, so that containers are attached. */
    async function writeSubnetFile(): Promise<void> {
      const path = lab.sandbox.outside(lab.subnetFile(FLANNEL.name));
      await mkdir(dirname(path), { recursive: true });
      const mtu = backend === 'vxlan' ? 1450 : 1500;
      await writeFile(
        path,
        `FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.2.1/24\nFLANNEL_MTU=${mtu}\nFLANNEL_IPMASQ=false\n`,
      );
    }

    /** What flanneld does at a start, beside whatever is in the kernel already. */
    async function startFlannel(): Promise<void> {
      const { name } = FLANNEL;
      const { publicIp } = lab.host(name);
      const ip = (script: string): Promise<string> => lab.check(name, ['sh', '-ec', script]);
      await ip('sysctl -qw net.ipv4.ip_forward=1');
      if (backend === 'vxlan')
        await ip(`ip link show flannel.1 >/dev/null 2>&1 ||
          ip link add flannel.1 address ${MAC} type vxlan id 1 local ${publicIp} dev eth0 dstport 8472 nolearning
          ip addr replace ${FLANNEL.address}/32 dev flannel.1
          ip link set flannel.1 mtu 1450 up`);
      for (const peer of ['h1', 'h3']) {
        const { mac, subnet } = await peerOf(peer);
        const to = lab.host(peer).publicIp;
        const address = subnet.split('/')[0];
        if (backend === 'host-gw') await ip(`ip route replace ${subnet} via ${to} dev eth0`);
        else
          await ip(`ip neigh replace ${address} lladdr ${mac} dev flannel.1 nud permanent
            bridge fdb replace ${mac} dev flannel.1 dst ${to} self permanent
            ip route replace ${subnet} via ${address} dev flannel.1 onlink`);
      }
      const mac = backend === 'vxlan' ? { mac: (await viewOf(lab, name)).mac } : {};
      await cluster.annotate(name, { ...flannelAnnotations({ publicIp, ...mac }), [`${PREFIX}weft`]: null });
    }

    async function peerOf(name: string): Promise<{ readonly subnet: string; readonly mac: string }> {
      const { metadata, spec } = await cluster.node(name);
      const data = JSON.parse(metadata.annotations?.[`${PREFIX}backend-data`] ?? 'null') as {
        VtepMAC: string;
      } | null;
      return { subnet: spec.podCIDR ?? '', mac: data?.VtepMAC ?? '' };
    }

    /** Pings in both directions between the changing node and one that stays. */
    async function withoutLoss(action: () => Promise<void>): Promise<void> {
      const there = await startPings(lab, 'c1', await lab.containerAddress('h2'));
      const back = await startPings(lab, 'c2', await lab.containerAddress('h3'));
      await action();
      for (const pings of [there, back]) {
        // A fast action ends before so many are sent.
        await waitFor('enough echoes', () => Promise.resolve(pings.answered() > 500));
        const { lost, sent } = await pings.stop();
        assert.equal(lost, 0, `lost ${lost} of ${sent}`);
        assert.ok(sent > 500, `only ${sent} were sent`);
      }
    }

    it('reaches containers of a node of flannel, and is reached', async () => {
      for (const [from, to] of [
        ['c1', 'h2'],
        ['c2', 'h1'],
        ['c2', 'h3'],
      ] as const)
        await waitFor(`${from} to reach ${to}`, () => canPing(lab, from, to), FOLLOW_MS);
    });

    it('takes over a node of flannel without a lost packet, under its MAC', async () => {
      await withoutLoss(async () => {
        await cluster.startDaemon(FLANNEL.name);
        await waitUntilReady(lab, FLANNEL.name);
        await waitFor(
          'the node to publish as weft does',
          async () =>
            (await cluster.node(FLANNEL.name)).metadata.annotations?.[`${PREFIX}weft`] !== undefined,
          FOLLOW_MS,
        );
      });
      if (backend === 'vxlan') assert.equal((await viewOf(lab, FLANNEL.name)).mac, MAC);
    });

    it('gives the node back to flannel without a lost packet', () =>
      withoutLoss(async () => {
        await lab.stopDaemon(FLANNEL.name);
        await startFlannel();
        await waitFor('h1 to be in sync', () => lab.isReady('h1'), FOLLOW_MS);
        assert.equal((await cluster.node(FLANNEL.name)).metadata.annotations?.[`${PREFIX}weft`], undefined);
      }));

    it('follows a node of flannel that gets another address', async () => {
      await lab.check('h2', ['ip', 'addr', 'add', '198.18.7.8/16', 'dev', 'eth0']);
      await cluster.annotate('h2', { [`${PREFIX}public-ip`]: '198.18.7.8' });
      const isThere = async (): Promise<boolean> => {
        const command =
          backend === 'vxlan'
            ? ['bridge', 'fdb', 'show', 'dev', 'flannel.1']
            : ['ip', 'route', 'show', FLANNEL.subnet];
        return (await lab.query('h1', command)).stdout.includes('198.18.7.8');
      };
      await waitFor('h1 to send there', isThere, FOLLOW_MS);
    });
  });
}

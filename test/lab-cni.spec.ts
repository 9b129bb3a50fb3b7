// Containers that CNI plugins connect, on two hosts of which each has one by the standard plugins and one by weft's:
//
//   standard1 ┐                                ┌ standard2
//             cni0 ─ h1 ── sw ── h2 ─ cni0 ────┤              outside: the host of etcd, without a route into the cluster
//   weft1 ────┘                                └ weft2
import { rmSync } from 'node:fs';
import { bridgeConflist, serveByCni, weftConflist } from './support/cni-host.ts';
import {
  assertMasqueraded,
  assertMutual,
  serveOutside,
  type ServingContainer,
} from './support/container-network.ts';
import { configWith, FIREWALL_MODES, switchFirewall } from './support/firewall-mode.ts';
import { useLab, waitUntilReady } from './support/lab-suite.ts';
import { makeWebRoot } from './support/web-root.ts';

describe('CNI plugins on weft', () => {
  const lab = useLab({
    hosts: 2,
    attach: false,
    config: configWith('nftables'),
    daemonFlags: ['--ip-masq'],
  });
  const standard: ServingContainer[] = [];
  const weft: ServingContainer[] = [];
  let root = '';

  before(async () => {
    root = makeWebRoot();
    await serveOutside(lab(), root);
    await Promise.all(lab().topology.hosts.map(({ name }, index) => serveOn(name, index)));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  async function serveOn(host: string, index: number): Promise<void> {
    await waitUntilReady(lab(), host);
    const conflist = bridgeConflist(host, await lab().readSubnetEnv(host));
    standard[index] = await serveByCni(lab(), { host, id: `standard-${host}`, conflist, root });
    weft[index] = await serveByCni(lab(), {
      host,
      id: `weft-${host}`,
      conflist: weftConflist(lab(), host),
      root,
    });
  }

  for (const mode of FIREWALL_MODES)
    describe(`with ${mode}`, () => {
      before(() => switchFirewall(lab(), mode));

      it('make containers that reach each other across hosts and see each other’s own address', async () => {
        await assertMutual(standard[0]!, standard[1]!);
        await assertMutual(weft[0]!, weft[1]!);
        await assertMutual(weft[0]!, standard[1]!);
      });

      it('make containers that reach what is outside, which sees the host’s address', async () => {
        for (const container of [standard[0]!, weft[0]!, weft[1]!]) await assertMasqueraded(lab(), container);
      });
    });
});

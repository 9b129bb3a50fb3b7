// Real Docker engines on two hosts, with containers on weft's subnets:
//
//   web ── docker0 ┐                       ┌ docker0 ── web
//                  h1 ── eth0 ── sw ── eth0 ── h2            outside: the host of etcd, without a route into the cluster
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import { waitFor } from '../../lab/wait.ts';
import {
  assertMasqueraded,
  assertMutual,
  serveOutside,
  type ServingContainer,
} from '../support/container-network.ts';
import { DockerEngine, removeCgroups } from '../support/docker-engine.ts';
import { configWith, FIREWALL_MODES, switchFirewall } from '../support/firewall-mode.ts';
import { holds, useLab, waitUntilReady } from '../support/lab-suite.ts';
import { makeWebRoot } from '../support/web-root.ts';

const PROGRAM = join(packageRoot(), 'bin/mk-docker-opts.sh');
const ACCEPTED = 'iptables -S FORWARD | grep -q FLANNEL-FWD';

describe('Docker engines on weft', () => {
  const lab = useLab({
    hosts: 2,
    attach: false,
    config: configWith('nftables'),
    daemonFlags: ['--ip-masq'],
  });
  // The lab is gone then.
  after(removeCgroups);
  let web1: ServingContainer;
  let web2: ServingContainer;
  let root = '';

  before(async () => {
    removeCgroups();
    root = makeWebRoot();
    await serveOutside(lab(), root);
    [web1, web2] = await Promise.all([serveOn('h1'), serveOn('h2')]);
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  /** Starts an engine that drops what it does not know, as most do. */
  async function serveOn(host: string): Promise<ServingContainer> {
    await waitUntilReady(lab(), host);
    const engine = await DockerEngine.start(lab(), host, PROGRAM);
    await lab().check(host, ['iptables', '-P', 'FORWARD', 'DROP']);
    return engine.serve(root, 'web');
  }

  it('give containers addresses and MTU of the host’s subnet', async () => {
    const subnet = /^FLANNEL_SUBNET=(\d+\.\d+\.\d+)\./m.exec(await lab().readSubnetEnv('h1'))![1]!;
    assert.ok(web1.address.startsWith(`${subnet}.`), web1.address);
    assert.match(await web1.run(['cat', '/sys/class/net/eth0/mtu']), /^1450$/m);
  });

  for (const mode of FIREWALL_MODES)
    describe(`with ${mode}`, () => {
      before(async () => {
        await switchFirewall(lab(), mode);
        for (const host of ['h1', 'h2'])
          await waitFor(`${host} to accept its containers`, () => holds(lab(), host, ACCEPTED), 60_000);
      });

      it('have containers that reach each other across hosts and see each other’s own address', () =>
        assertMutual(web1, web2));

      it('have containers that reach what is outside, which sees the host’s address', async () => {
        for (const container of [web1, web2]) await assertMasqueraded(lab(), container);
      });
    });
});

// Real Docker engines on three hosts, with containers on weft's subnets:
//
//   web ── docker0 ── h1 ── eth0 ── sw ── eth0 ── h2 ── docker0 ── web        outside: the host of etcd, without a route
//                                    └─── eth0 ── h3 ── docker0 ── web                 into the cluster
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
import { shellTest, useLab, waitUntilReady } from '../support/lab-suite.ts';
import { makeWebRoot } from '../support/web-root.ts';

const PROGRAM = join(packageRoot(), 'bin/mk-docker-opts.sh');
const HOSTS = ['h1', 'h2', 'h3'];
const ACCEPTED = 'iptables -S FORWARD | grep -q FLANNEL-FWD';

describe('Docker engines on weft', () => {
  const lab = useLab({
    hosts: HOSTS.length,
    attach: false,
    config: configWith('nftables'),
    daemonFlags: ['--ip-masq'],
  });
  // The lab is gone then.
  after(removeCgroups);
  let webs: readonly ServingContainer[] = [];
  let root = '';

  before(async () => {
    removeCgroups();
    root = makeWebRoot();
    await serveOutside(lab(), root);
    webs = await Promise.all(HOSTS.map(serveOn));
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
    const web = webs[0]!;
    assert.ok(web.address.startsWith(`${subnet}.`), web.address);
    assert.match(await web.run(['cat', '/sys/class/net/eth0/mtu']), /^1450$/m);
  });

  for (const mode of FIREWALL_MODES)
    describe(`with ${mode}`, () => {
      before(async () => {
        await switchFirewall(lab(), mode);
        for (const host of HOSTS)
          await waitFor(`${host} to accept its containers`, () => shellTest(lab(), host, ACCEPTED), 60_000);
      });

      it('have containers that reach each other across hosts and see each other’s own address', async () => {
        for (const [index, web] of webs.entries())
          for (const other of webs.slice(index + 1)) await assertMutual(web, other);
      });

      it('have containers that reach what is outside, which sees the host’s address', async () => {
        for (const container of webs) await assertMasqueraded(lab(), container);
      });
    });
});

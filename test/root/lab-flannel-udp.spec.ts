// Backend udp beside a host of flannel's, whose proxy takes one packet a datagram, on an underlay that carries super-packets
// unsegmented. The BPF programs run, which user namespaces do not allow.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toolFile } from '../../lab/tools.ts';
import { LabScript } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { canPing, useLab, waitUntilReady } from '../support/lab-suite.ts';

const MTU = 1472;
const STREAM_MS = 60_000;

describe('backend udp with a host that takes one packet a datagram', () => {
  const lab = useLab({
    hosts: 3,
    bare: ['h3'],
    config: '{"Network":"10.5.0.0/16","Backend":{"Type":"udp"}}',
  });
  let proxy: LabScript;

  before(async () => {
    const [own, peer] = [lab().host('h3').publicIp, lab().host('h1').publicIp];
    proxy = new LabScript(lab(), 'h3', `exec ${toolFile('plain-proxy')} flannel0 ${own} 8285 ${peer} ${MTU}`);
    await waitFor('the proxy to start', () => proxy.output.includes('ready'));
    const commands = `ip addr add 10.5.103.0/32 dev flannel0; ip link set flannel0 up mtu ${MTU}; ip route add 10.5.0.0/16 dev flannel0`;
    await lab().check('h3', ['sh', '-ec', commands]);
    const env = lab().sandbox.outside(lab().subnetFile('h3'));
    await mkdir(dirname(env), { recursive: true });
    await writeFile(env, `FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.103.1/24\nFLANNEL_MTU=${MTU}\n`);
    await lab().attachContainer('h3');
    const value = JSON.stringify({ PublicIP: own, PublicIPv6: null });
    await lab().etcdctl(['put', '/coreos.com/network/subnets/10.5.103.0-24', value]);
    for (const host of ['h1', 'h2']) await waitUntilReady(lab(), host);
    await waitFor('h3 to be reached', () => canPing(lab(), 'c1', 'h3'));
  });
  after(() => proxy.end());

  for (const [what, to, flags] of [
    ['to it', 'c3', []],
    ['from it', 'c3', ['--reverse']],
    ['between hosts of weft', 'c2', []],
  ] as const)
    it(`TCP ${what} passes`, async () => {
      const address = await lab().containerAddress(to === 'c3' ? 'h3' : 'h2');
      await lab().check(to, ['iperf3', '--server', '--one-off', '--daemon', '--idle-timeout', '30']);
      const command = ['timeout', '30', 'iperf3', '--client', address, '--bytes', '5M', ...flags];
      const run = await lab().exec('c1', command, { timeoutMs: STREAM_MS });
      assert.equal(run.code, 0, run.stdout + run.stderr);
    });

  it('hosts of weft publish that they take super-packets', async () => {
    const range = ['--prefix', '--print-value-only', '/coreos.com/network/subnets/'];
    const values = await lab().etcdctl(['get', ...range]);
    assert.equal(values.match(/"Weft":\{"Gso":true\}/g)?.length, 2);
  });
});

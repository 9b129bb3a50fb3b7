// What leaves the overlay is masqueraded and what stays inside is not, with nftables and with iptables; whatever an external actor
// does to the rules is repaired, and connections outlive all of it. Waits are far below the slow full read (60 s).
import assert from 'node:assert/strict';
import { OUTSIDE } from '../lab/topology.ts';
import type { Lab } from '../lab/lab.ts';
import { waitFor } from '../lab/wait.ts';
import { addressSeen, startCallers, startConversation, startEcho } from './support/path/conversation.ts';
import { waitForLogLine } from './support/daemon-view.ts';
import { assertHealthy } from './support/doctor/healthy.ts';
import { canPing, useLab, waitUntilReady } from './support/lab-suite.ts';

const REPAIR_MS = 60_000;
const TABLES = 'nft list table ip flannel-ipv4; nft list table ip6 flannel-ipv6';
const CHAINS = ['iptables', 'ip6tables'].map((tool) => `${tool}-save | grep FLANNEL`).join('; ');
const ENGINES = [
  { name: 'nftables', isNft: true, show: TABLES, other: CHAINS },
  { name: 'iptables', isNft: false, show: CHAINS, other: TABLES },
] as const;

function config(isNft: boolean): string {
  const ipv6 = { EnableIPv6: true, IPv6Network: 'fd00:10::/48' };
  return JSON.stringify({
    Network: '10.5.0.0/16',
    ...ipv6,
    EnableNFTables: isNft,
    Backend: { Type: 'vxlan' },
  });
}

async function sh(lab: Lab, script: string): Promise<string> {
  return (await lab.exec('h1', ['sh', '-c', script])).stdout;
}

/** Repairs of rules that the daemon of h1 has counted. */
async function countRepairs(lab: Lab): Promise<number> {
  const status = JSON.parse((await lab.weft('h1', ['status', '--json'])).stdout) as {
    kernel: { drift: { firewall: number } };
  };
  return status.kernel.drift.firewall;
}

for (const { name, isNft, show, other } of ENGINES)
  describe(`a firewall of ${name}`, () => {
    const lab = useLab({ hosts: 2, outside: true, config: config(isNft), daemonFlags: ['--ip-masq'] });
    let rules = '';
    let repairs = 0;

    before(async () => {
      await startEcho(lab(), 'out');
      await startEcho(lab(), 'c2');
      for (const host of ['h1', 'h2']) await waitUntilReady(lab(), host);
      rules = await sh(lab(), show);
    });

    async function repaired(change: string): Promise<void> {
      repairs++;
      await lab().check('h1', ['sh', '-c', change]);
      const isHealthy = async (): Promise<boolean> => (await sh(lab(), show)) === rules;
      await waitFor(`the rules to be back after: ${change}`, isHealthy, REPAIR_MS, 50);
    }

    it('hides containers from the outside, in both families', async () => {
      const { publicIp, publicIpv6 } = lab().host('h1');
      assert.equal(await addressSeen(lab(), 'c1', OUTSIDE.ipv4), publicIp);
      assert.equal(await addressSeen(lab(), 'c1', OUTSIDE.ipv6), publicIpv6);
    });

    it('shows containers to each other', async () => {
      const [own, peer] = [await lab().containerAddresses('h1'), await lab().containerAddresses('h2')];
      for (const [index, address] of peer.entries())
        assert.equal(await addressSeen(lab(), 'c1', address), own[index]);
    });

    it('lets a host call a container of another host from any address of its own', async () => {
      const [peer = ''] = await lab().containerAddresses('h2');
      const seen = await addressSeen(lab(), 'h1', peer, lab().host('h1').publicIp);
      assert.match(seen, /^10\.5\.\d+\.0$/);
    });

    it('is healthy to weft doctor', () => assertHealthy(lab()));

    it('appears in subnet.env', async () => {
      assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_IPMASQ=true$/m);
      assert.match(rules, /masquerade fully-random|MASQUERADE --random-fully/);
    });

    it('is not kept by the other program as well', async () => assert.equal(await sh(lab(), other), ''));

    it('comes back after a flush', () => repaired('nft flush ruleset'));

    const faults = isNft
      ? [
          'nft delete table ip6 flannel-ipv6',
          'nft flush chain ip flannel-ipv4 postrtg',
          'nft insert rule ip flannel-ipv4 postrtg accept',
          'nft add chain ip flannel-ipv4 more',
        ]
      : [
          'iptables -t nat -F; iptables -t nat -X',
          'ip6tables -F FORWARD',
          'iptables -t nat -I FLANNEL-POSTRTG -j ACCEPT',
          'iptables -A FORWARD -j FLANNEL-FWD',
        ];
    for (const fault of faults) it(`comes back after: ${fault}`, () => repaired(fault));

    it('keeps foreign rules and their order', async () => {
      const foreign = [
        'iptables -I FORWARD -i first0 -j DROP; iptables -A FORWARD -i last0 -j ACCEPT',
        'iptables -t nat -I POSTROUTING -o first0 -j MASQUERADE',
        'nft add table inet other; nft add chain inet other one; nft add rule inet other one accept',
      ];
      await lab().check('h1', ['sh', '-c', foreign.join('; ')]);
      const showForeign = 'iptables-save | grep 0.-j; nft list table inet other';
      const before = await sh(lab(), showForeign);
      const all = isNft
        ? 'nft delete table ip flannel-ipv4'
        : 'iptables -D FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD';
      await repaired(all);
      assert.equal(await sh(lab(), showForeign), before);
    });

    it('counts each repair', async () => {
      const counted = await countRepairs(lab());
      assert.ok(counted >= repairs && repairs > 5, `${counted} of ${repairs} counted`);
    });

    it('lets traffic through where FORWARD drops', async () => {
      await lab().check('h1', ['sh', '-c', 'iptables -P FORWARD DROP; ip6tables -P FORWARD DROP']);
      await waitFor('containers to be reached', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
      const isOut = async (): Promise<boolean> =>
        (await addressSeen(lab(), 'c1', OUTSIDE.ipv6)) === lab().host('h1').publicIpv6;
      await waitFor('the outside to be reached', isOut, REPAIR_MS);
      await lab().check('h1', ['sh', '-c', 'iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT']);
      const isClean = async (): Promise<boolean> => (await sh(lab(), other)) === '';
      await waitFor('nothing to be left behind', isClean, REPAIR_MS, 50);
    });

    it('breaks no connection and no call when the daemon ends, starts, and changes the program', async () => {
      const conversation = await startConversation(lab(), 'c1', OUTSIDE.ipv4);
      const callers = await startCallers(lab(), 'c1', OUTSIDE.ipv4);
      await lab().stopDaemon('h1', 'KILL');
      await lab().startDaemon('h1');
      await waitUntilReady(lab(), 'h1');
      await conversation.goesOn();
      await lab().putConfig(config(!isNft));
      const isOther = async (): Promise<boolean> =>
        (await sh(lab(), show)) === '' && (await sh(lab(), other)).includes('10.5.0.0/16');
      await waitFor('the other program to have taken over', isOther, REPAIR_MS, 50);
      await conversation.goesOn();
      await lab().putConfig(config(isNft));
      const isBack = async (): Promise<boolean> =>
        (await sh(lab(), show)) === rules && (await sh(lab(), other)) === '';
      await waitFor('the first program to be back', isBack, REPAIR_MS, 50);
      await conversation.goesOn();
      await conversation.stop();
      const { answered, lost } = await callers.stop();
      assert.ok(answered > 10, `${answered} calls answered`);
      assert.equal(lost, 0, `lost ${lost} of ${answered + lost} calls`);
    });

    it('takes over at a start what flannel left in the other program', async () => {
      await lab().stopDaemon('h1');
      const left = isNft
        ? `iptables -t nat -N FLANNEL-POSTRTG; iptables -t nat -A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG`
        : `nft 'table ip flannel-ipv4 { chain postrtg { type nat hook postrouting priority 100; ip saddr 10.5.0.0/16 masquerade; }; }'`;
      await lab().check('h1', ['sh', '-c', left]);
      assert.notEqual(await sh(lab(), other), '');
      await lab().startDaemon('h1');
      await waitUntilReady(lab(), 'h1');
      const isClean = async (): Promise<boolean> => (await sh(lab(), other)) === '';
      await waitFor('nothing to be left behind', isClean, REPAIR_MS, 50);
      assert.equal(await sh(lab(), show), rules);
    });
  });

describe('forwarding', () => {
  const lab = useLab({ hosts: 1, daemonFlags: ['--no-sysctl', '--iptables-forward-rules=false'] });

  it('is turned on, unless that is forbidden', async () => {
    await waitUntilReady(lab(), 'h1');
    await lab().stopDaemon('h1');
    await lab().check('h1', ['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
    await lab().startDaemon('h1');
    await waitForLogLine(lab(), 'h1', /does not forward IPv4.*net\.ipv4\.ip_forward/);
    assert.equal(await sh(lab(), 'sysctl -n net.ipv4.ip_forward; nft list tables'), '0\n');
    await lab().stopDaemon('h1');
    await lab().startDaemon('h1', []);
    const isOn = async (): Promise<boolean> =>
      (await sh(lab(), 'sysctl -n net.ipv4.ip_forward; nft list tables')) === '1\ntable ip flannel-ipv4\n';
    await waitFor('forwarding to be on', isOn, REPAIR_MS, 50);
  });
});

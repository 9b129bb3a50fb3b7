import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ControlClient } from '../../client/control-client.ts';
import type { Finding } from '../check.ts';
import { FIREWALL_CHECKS } from '../checks-firewall.ts';
import { Facts } from '../facts.ts';
import { runChecks } from '../run-checks.ts';

const PROXY_NFT = 'table ip kube-proxy\ntable ip6 kube-proxy\ntable ip flannel-ipv4\n';
const nat = (...chains: readonly string[]): string =>
  `*nat\n:POSTROUTING ACCEPT [0:0]\n${chains.map((chain) => `:${chain} - [0:0]\n`).join('')}COMMIT\n`;
const filter = (policy: string, ...rules: readonly string[]): string =>
  `*mangle\n:FORWARD DROP [0:0]\nCOMMIT\n*filter\n:FORWARD ${policy} [12:340]\n${rules.map((rule) => `${rule}\n`).join('')}COMMIT\n`;

/** The programs print these texts; others are not installed. */
async function find(check: string, texts: Readonly<Record<string, string>>): Promise<Finding | undefined> {
  const status = { registry: { kind: 'kubernetes' }, network: { ipv4: '10.244.0.0/16' } };
  const facts = new Facts({
    client: { request: () => Promise.resolve(status) } as unknown as ControlClient,
    etcd: { endpoints: [], prefix: '' },
    output: (argv) => Promise.resolve(texts[argv.join(' ')]),
  });
  const [finding, ...more] = await runChecks(
    facts,
    FIREWALL_CHECKS.filter(({ id }) => id === check),
  );
  facts.close();
  assert.deepEqual(more, []);
  return finding;
}

describe('the proxy-mode check of weft doctor', () => {
  for (const [what, texts] of [
    ['no kube-proxy', { 'nft list tables': 'table ip flannel-ipv4\n', 'iptables-legacy-save': '' }],
    ['kube-proxy with nftables', { 'nft list tables': PROXY_NFT }],
    [
      'both in one variant of iptables',
      {
        'iptables-nft-save': nat('KUBE-SERVICES', 'FLANNEL-POSTRTG'),
        'ip6tables-nft-save': nat('KUBE-SERVICES', 'FLANNEL-POSTRTG'),
        'nft list tables': 'table ip nat\n',
      },
    ],
    [
      'kube-proxy with iptables and the daemon with nftables',
      { 'iptables-legacy-save': nat('KUBE-SERVICES'), 'nft list tables': 'table ip flannel-ipv4\n' },
    ],
    [
      'a FORWARD chain of the daemon in the other variant, as its policy drops',
      {
        'iptables-legacy-save': nat('KUBE-SERVICES'),
        'iptables-nft-save': filter('DROP').replace(':FORWARD D', ':FLANNEL-FWD - [0:0]\n:FORWARD D'),
      },
    ],
  ] as const)
    it(`finds nothing with ${what}`, async () => assert.equal(await find('proxy-mode', texts), undefined));

  it('finds rules that kube-proxy left in another mode', async () => {
    const found = await find('proxy-mode', {
      'nft list tables': PROXY_NFT,
      'iptables-nft-save': nat('KUBE-SERVICES'),
    });
    assert.deepEqual(found?.evidence, [
      'iptables-nft-save: chain KUBE-SERVICES',
      'nft list tables: table ip kube-proxy',
      'nft list tables: table ip6 kube-proxy',
    ]);
    assert.match(found.title, /more than one mode: iptables-nft, nftables$/);
  });

  it('finds rules that kube-proxy left in the other variant of iptables', async () => {
    const found = await find('proxy-mode', {
      'iptables-nft-save': nat('KUBE-SERVICES', 'FLANNEL-POSTRTG'),
      'iptables-legacy-save': nat('KUBE-SERVICES'),
    });
    assert.match(found?.title ?? '', /more than one mode: iptables-legacy, iptables-nft$/);
  });

  it('finds kube-proxy and the daemon in different variants of iptables', async () => {
    const found = await find('proxy-mode', {
      'iptables-legacy-save': nat('KUBE-SERVICES'),
      'iptables-nft-save': nat('FLANNEL-POSTRTG'),
    });
    assert.deepEqual(
      [found?.severity, found?.evidence],
      ['warning', ['iptables-legacy-save: chain KUBE-SERVICES', 'iptables-nft-save: chain FLANNEL-POSTRTG']],
    );
  });
});

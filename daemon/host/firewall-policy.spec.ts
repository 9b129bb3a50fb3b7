import assert from 'node:assert/strict';
import { network, VXLAN } from '../../backends/fixture.ts';
import { chooseFirewall } from './firewall-policy.ts';
import { parseIptablesVersion, type FirewallTools } from '../kernel/firewall/tools.ts';

const IPTABLES = { isLegacy: false, hasFullyRandom: true };
const BOTH: FirewallTools = { hasNft: true, iptables: IPTABLES, error: '' };
const NONE: FirewallTools = { hasNft: false, error: 'nft: not installed; iptables: not installed' };
const NFT: FirewallTools = { hasNft: true, error: 'iptables: not installed' };
const OLD: FirewallTools = { hasNft: false, iptables: IPTABLES, error: 'nft: not installed' };
const WISHES = { ipMasq: true, ipMasqFullyRandom: true, iptablesForwardRules: true };

function choose(programs: FirewallTools, enableNftables?: boolean, wishes = {}) {
  const config = { ...network('4', VXLAN), ...(enableNftables !== undefined && { enableNftables }) };
  return chooseFirewall(config, { ...WISHES, ...wishes }, programs);
}

describe('the choice of a firewall', () => {
  const cases: readonly [string, FirewallTools, boolean | undefined, string][] = [
    ['both are there', BOTH, undefined, 'nft'],
    ['only nftables works', NFT, undefined, 'nft'],
    ['only iptables works', OLD, undefined, 'iptables'],
    ['the network config says true', BOTH, true, 'nft'],
    ['the network config says false', BOTH, false, 'iptables'],
  ];
  for (const [name, programs, enableNftables, engine] of cases)
    it(`is ${engine} where ${name}`, () => {
      const choice = choose(programs, enableNftables);
      assert.ok(choice.ok);
      assert.deepEqual(choice, {
        ok: true,
        policy: { engine, isMasquerading: true, isFullyRandom: true, isForwardAccepted: true },
        warnings: [],
      });
    });

  it('follows the flags', () => {
    const wishes = { ipMasq: false, ipMasqFullyRandom: false, iptablesForwardRules: false };
    const choice = choose(BOTH, undefined, wishes);
    assert.ok(choice.ok);
    const { isMasquerading, isFullyRandom, isForwardAccepted } = choice.policy;
    assert.deepEqual([isMasquerading, isFullyRandom, isForwardAccepted], [false, false, false]);
  });

  it('omits random ports where iptables is too old', () => {
    const iptables = { isLegacy: true, hasFullyRandom: false };
    const choice = choose({ ...OLD, iptables });
    assert.ok(choice.ok && !choice.policy.isFullyRandom);
  });

  it('fails without the engine of the network config', () => {
    const choice = choose(OLD, true);
    assert.ok(!choice.ok);
    assert.match(
      choice.message,
      /no working nftables, which "EnableNFTables": true .*\(nft: not installed\)/,
    );
  });

  it('without any engine is an error with --ip-masq, else a warning', () => {
    const must = choose(NONE);
    assert.ok(!must.ok);
    assert.match(
      must.message,
      /^--ip-masq cannot masquerade: there is no working nftables or iptables .*install it/,
    );
    const may = choose(NONE, undefined, { ipMasq: false });
    assert.ok(may.ok && !may.policy.isForwardAccepted);
    assert.match(may.warnings.join(), /^No forward rules: .*--iptables-forward-rules=false$/);
    const need = choose(NONE, undefined, { ipMasq: false, iptablesForwardRules: false });
    assert.ok(need.ok);
    assert.deepEqual(need.warnings, []);
  });
});

describe('the version of iptables', () => {
  const cases: readonly [string, boolean, boolean][] = [
    ['iptables v1.8.9 (nf_tables)', false, true],
    ['iptables v1.8.9 (legacy)', true, true],
    ['iptables v1.6.2', true, true],
    ['iptables v1.6.1', true, false],
    ['iptables v1.4.21', true, false],
    ['iptables v2.0.0 (nf_tables)', false, true],
  ];
  for (const [text, isLegacy, hasFullyRandom] of cases)
    it(`detects the features of ${text}`, () =>
      assert.deepEqual(parseIptablesVersion(`${text}\n`), { isLegacy, hasFullyRandom }));
  it('is undefined for another program', () => assert.equal(parseIptablesVersion('busybox 1.36'), undefined));
});

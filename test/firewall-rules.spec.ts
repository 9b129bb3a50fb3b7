// Firewall rules in the real kernel, by the real tools: the tools print byte for byte what was specified, foreign rules
// stay, the kernel reports changes, and no tool runs while nothing changes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { Family } from '../lib/address.ts';
import { context, host, network, VXLAN } from '../backends/fixture.ts';
import { deriveFirewall } from '../backends/firewall/firewall.ts';
import type { FirewallPolicy } from '../backends/firewall/firewall-policy.ts';
import { backendFor } from '../backends/index.ts';
import { objectKey, type FirewallObject } from '../backends/kernel-state.ts';
import { FirewallTable } from '../daemon/kernel/firewall/firewall-table.ts';
import { FirewallWatch } from '../daemon/kernel/firewall/firewall-watch.ts';
import { runTool, type RunTool } from '../daemon/kernel/firewall/run-tool.ts';
import type { KernelNotification } from '../daemon/kernel/kernel.ts';
import { socketOpener } from '../daemon/kernel/netlink/socket.ts';
import { systemClock } from '../lib/clock.ts';
import { loadNative } from '../native/index.ts';
import { waitFor } from '../lab/wait.ts';

type Variant = 'nft' | 'iptables' | 'iptables-legacy';

const TOOLS = { hasNft: true, iptables: { isLegacy: false, hasFullyRandom: true }, error: '' };
const own = context(backendFor('vxlan'), network('46', VXLAN), host());

function derive(
  engine: FirewallObject['engine'],
  policy: Partial<FirewallPolicy> = {},
): readonly FirewallObject[] {
  const all = { isMasquerading: true, isFullyRandom: true, isForwardAccepted: true };
  return deriveFirewall(own, { engine, ...all, ...policy });
}

function sh(script: string): string {
  return execFileSync('sh', ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/** All foreign rules, in order. */
function foreignRules(): string {
  return sh('nft list table inet other; iptables-save | grep other; iptables-legacy-save | grep other; true');
}

/** The rules of an object as the tools print them. */
function show({ engine, family, name }: FirewallObject, variant: Variant): string {
  if (engine === 'nft') return sh(`nft list table ${family === 4 ? 'ip' : 'ip6'} ${name}`);
  const [table, chain] = name.split(' ');
  const save = `${variant.replace('iptables', family === 4 ? 'iptables' : 'ip6tables')}-save -t ${table}`;
  return sh(`${save} | grep -F ${chain} | sed 's/ \\[0:0\\]$//'`);
}

function runAs(variant: Variant, calls: string[] = []): RunTool {
  return (file, args, input) => {
    calls.push(file);
    const isLegacy = variant === 'iptables-legacy';
    return runTool(isLegacy ? file.replace('tables', 'tables-legacy') : file, args, input);
  };
}

function cleanTables(): void {
  sh(
    'nft flush ruleset; for x in iptables ip6tables; do for t in nat filter; do $x-legacy -t $t -F; $x-legacy -t $t -X; done; done',
  );
}

describe('firewall rules in the kernel', () => {
  before(() => {
    if (process.env['WEFT_TEST_NETNS'] !== '1')
      throw new Error('This suite flushes rules: run it with "sh test/in-namespaces.sh npx mocha FILE"');
  });
  afterEach(cleanTables);

  for (const variant of ['nft', 'iptables', 'iptables-legacy'] as const)
    describe(`by ${variant}`, () => {
      const engine = variant === 'nft' ? 'nft' : 'iptables';
      let table: FirewallTable;
      beforeEach(() => (table = new FirewallTable(TOOLS, runAs(variant))));

      async function apply(action: 'set' | 'remove', objects: readonly FirewallObject[]): Promise<void> {
        for (const object of objects)
          assert.deepEqual(await table.apply({ action, object }), { status: 'done' }, objectKey(object));
      }

      for (const policy of [{}, { isFullyRandom: false }, { isMasquerading: false }])
        it(`are what was specified, with ${JSON.stringify(policy)}`, async () => {
          const objects = derive(engine, policy);
          await apply('set', objects);
          for (const object of objects) assert.equal(show(object, variant), object.rules, objectKey(object));
          const found = (await table.read()).map((object) => [objectKey(object), object.rules] as const);
          const wanted = objects.map((object) => [objectKey(object), object.rules] as const);
          assert.deepEqual(new Map(found), new Map(wanted));
        });

      it('replace others of the same name, and stay the same when set again', async () => {
        await apply('set', derive(engine, { isFullyRandom: false }));
        const objects = derive(engine);
        for (let round = 0; round < 2; round++) {
          await apply('set', objects);
          for (const object of objects) assert.equal(show(object, variant), object.rules);
        }
      });

      it('are added and removed among foreign rules', async () => {
        const tool = variant === 'nft' ? 'iptables' : variant;
        sh('nft add table inet other; nft add chain inet other one; nft add rule inet other one accept');
        sh(`${tool} -A FORWARD -i other0 -j DROP; ${tool} -t nat -A POSTROUTING -o other0 -j MASQUERADE`);
        const before = foreignRules();
        await apply('set', derive(engine));
        sh(`${tool} -A FORWARD -i other1 -j DROP`);
        sh(`${tool} -D FORWARD -i other1 -j DROP`);
        assert.equal(foreignRules(), before);
        await apply('remove', derive(engine));
        assert.equal(foreignRules(), before);
        assert.deepEqual(await table.read(), []);
        assert.equal(
          sh('nft list ruleset; iptables-legacy-save; ip6tables-legacy-save').includes('FLANNEL'),
          false,
        );
      });
    });

  describe('when they change', () => {
    let table: FirewallTable;
    let watch: FirewallWatch;
    let calls: string[];
    let notifications: KernelNotification[];

    beforeEach(() => {
      calls = [];
      notifications = [];
    });
    afterEach(() => watch.close());

    function listen(variant: Variant, hasAddon = true): void {
      table = new FirewallTable(TOOLS, runAs(variant, calls));
      watch = new FirewallWatch({
        table,
        clock: systemClock,
        ...(hasAddon && { openSocket: socketOpener(loadNative().native) }),
        isIptablesLegacy: variant === 'iptables-legacy',
        pollMs: 50,
        onNotification: (notification) => notifications.push(notification),
      });
    }

    async function put(engine: FirewallObject['engine']): Promise<void> {
      for (const object of derive(engine)) await table.apply({ action: 'set', object });
      await table.read();
    }

    const isGone = (key: string): boolean => {
      const changes = notifications.filter(
        (notification) => notification.kind === 'object' && notification.key === key,
      );
      const last = changes.at(-1);
      return last?.kind === 'object' && last.object === undefined;
    };

    const cases: readonly [Variant, string, string][] = [
      ['nft', 'nft flush ruleset', 'firewall nft ip6 flannel-ipv6'],
      ['nft', 'nft delete table ip flannel-ipv4', 'firewall nft ip flannel-ipv4'],
      [
        'iptables',
        'ip6tables -t nat -F; ip6tables -t nat -X FLANNEL-POSTRTG',
        'firewall iptables ip6 nat FLANNEL-POSTRTG',
      ],
      [
        'iptables-legacy',
        'iptables-legacy -F; iptables-legacy -X FLANNEL-FWD',
        'firewall iptables ip filter FLANNEL-FWD',
      ],
    ];
    for (const [variant, change, key] of cases)
      it(`by "${change}", the change is reported`, async () => {
        listen(variant);
        await put(variant === 'nft' ? 'nft' : 'iptables');
        sh(change);
        await waitFor('the notification', () => isGone(key));
      });

    it('the change is found without the addon, too', async () => {
      listen('nft', false);
      await put('nft');
      sh('nft flush ruleset');
      await waitFor('the notification', () => isGone('firewall nft ip flannel-ipv4'));
    });

    it('the policy of FORWARD is reported as well, and nothing else starts a tool', async () => {
      listen('nft');
      await put('nft');
      // Notifications come in order: with this one, those of our own changes are through.
      sh('nft delete table ip flannel-ipv4');
      await waitFor('the first notification', () => isGone('firewall nft ip flannel-ipv4'));
      calls.length = 0;
      sh('nft add table ip other; nft add chain ip other one; nft add rule ip other one accept');
      sh('iptables -t mangle -A PREROUTING -j ACCEPT; iptables -A INPUT -j ACCEPT');
      sh('ip6tables -P FORWARD DROP');
      const isReported = (): boolean => notifications.some(({ kind }) => kind === 'forward-policy');
      await waitFor('the notification', isReported);
      const drops: readonly Family[] = await table.readForwardDrops();
      assert.deepEqual(drops, [6]);
      assert.ok(
        calls.every((file) => file.endsWith('tables-save')),
        calls.join(),
      );
    });
  });
});

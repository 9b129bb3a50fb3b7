import assert from 'node:assert/strict';
import type { Place } from '../../../daemon/trace/evaluate.ts';
import { cidr } from '../../../backends/fixture.ts';
import type { Facts } from '../facts.ts';
import { readFirewall } from './firewall-facts.ts';
import { acceptCommand, renderPlace } from './firewall-fix.ts';

const SAVE = '*filter\n:FORWARD DROP [0:0]\nCOMMIT\n';

/** Name and fix of the policy that each program prints. */
async function policiesOf(programs: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const facts = {
    once: (_name: string, read: () => unknown) => read(),
    file: () => Promise.resolve(undefined),
    run: (name: string) => {
      const stdout = programs[name];
      return Promise.resolve({ code: stdout === undefined ? 127 : 0, stdout: stdout ?? '', stderr: '' });
    },
  } as unknown as Facts;
  const { tables } = await readFirewall(facts);
  return tables.map((table) => {
    const chain = table.chains.get('FORWARD')!;
    const place: Place = { table, chain, base: chain };
    const fix = acceptCommand(place, { layer: 'inner', family: 4, network: cidr('10.5.0.0/16') });
    return `${renderPlace(place).split(':')[0]}, ${fix.split(' ')[0]}`;
  });
}

describe('a policy of iptables', () => {
  for (const [name, programs, expected] of [
    [
      'is changed by the variant that printed it',
      { 'iptables-nft-save': SAVE, 'iptables-legacy-save': SAVE, 'iptables-save': SAVE },
      ['iptables-save, iptables-nft', 'iptables-legacy-save, iptables-legacy'],
    ],
    [
      'is changed without a name of the variant where none is installed',
      { 'iptables-save': SAVE },
      ['iptables-legacy-save, iptables'],
    ],
    ['is known as nf_tables', { 'iptables-save': `# (nf_tables)\n${SAVE}` }, ['iptables-save, iptables']],
  ] as const)
    it(name, async () => assert.deepEqual(await policiesOf(programs), expected));
});

// Faults of the path between containers, one after another: `weft doctor` names each cause, and after its
// command nothing is found and packets pass.
import assert from 'node:assert/strict';
import type { Lab } from '../../../lab/lab.ts';
import { waitFor } from '../../../lab/wait.ts';
import { viewOf, waitUntilReady } from '../lab-suite.ts';
import { runDoctor } from './fault.ts';

export interface PathFault {
  readonly name: string;
  readonly finds: string;
  /** Pattern of the evidence: it names the cause. */
  readonly evidence: RegExp;
  /** Shell commands on `host`; `SUBNET` and `PREFIX` (without its last byte) are of h1, `OTHER` (likewise) and `PEER` of h2. */
  readonly breaks: string;
  /** Removes what the fault and the fix leave. */
  readonly cleans: string;
  /** Default h1. */
  readonly host?: string;
  /** Whether packets to h2 pass nevertheless. */
  readonly isHarmless?: boolean;
}

export const TIMEOUT_MS = 60_000;
/** Checks of the path; all others run once at the end. */
export const CHECKS =
  'bridge-down,bridge-address,bridge-subnet,bridge-twice,bridge-mtu,device-forwarding,route-diverted,rp-filter,' +
  'container-route,container-port,container-vlan,container-mtu,container-neighbour,container-address,' +
  'overlay-translated,forward-drop,port-dropped,xfrm-block,static-neighbour,network-overlap,tunnel-blocked,' +
  'peer-silent,peer-forwarding,conntrack-full';

/** `SUBNET`, `PREFIX`, `OTHER` and `PEER` of the lab. */
export type PathFacts = Readonly<Record<string, string>>;

/** Once all hosts are ready. */
export async function readPathFacts(lab: Lab): Promise<PathFacts> {
  for (const { name } of lab.topology.hosts) await waitUntilReady(lab, name);
  const { subnet } = await viewOf(lab, 'h1');
  const prefixOf = (text: string): string => text.replace(/\d+\/24$/, '');
  const { subnet: other } = await viewOf(lab, 'h2');
  return {
    SUBNET: subnet,
    PREFIX: prefixOf(subnet),
    OTHER: prefixOf(other),
    PEER: lab.host('h2').publicIp,
  };
}

const fill = (facts: PathFacts, text: string, escape = (value: string): string => value): string =>
  text.replaceAll(/SUBNET|PREFIX|OTHER|PEER/g, (name) => escape(facts[name] ?? ''));
const escapeDots = (value: string): string => value.replaceAll('.', String.raw`\.`);

async function isReached(lab: Lab): Promise<boolean> {
  const address = await lab.containerAddress('h2');
  return (await lab.query('c1', ['ping', '-q', '-c', '1', '-W', '0.5', address])).code === 0;
}

/** Declares a test for each fault. */
export function describePathFaults(
  lab: () => Lab,
  facts: () => PathFacts,
  faults: readonly PathFault[],
): void {
  for (const { name, finds, evidence, breaks, cleans, host = 'h1', isHarmless } of faults)
    it(`names the cause, and its command fixes it: ${name}`, async () => {
      const shell = (script: string): Promise<string> =>
        lab().check(host, ['sh', '-ec', fill(facts(), script)]);
      await shell(breaks);
      try {
        assert.equal(await isReached(lab()), isHarmless === true);
        const only = ['--only', [...new Set([...CHECKS.split(','), finds])].join()];
        const { findings } = await runDoctor(lab(), host, only);
        const found = findings.find(({ check }) => check === finds);
        assert.ok(found, JSON.stringify(findings, null, 1));
        assert.match(found.evidence.join('\n'), new RegExp(fill(facts(), evidence.source, escapeDots)));
        const blamed = findings.filter(({ check }) => check !== finds && check !== 'tunnel-blocked');
        assert.deepEqual(blamed, []);
        await shell(found.fix);
        const after = await runDoctor(lab(), host, only);
        assert.deepEqual(after.findings, []);
        await waitFor('c1 to reach c2', () => isReached(lab()), TIMEOUT_MS);
      } finally {
        await shell(cleans);
      }
    });
}

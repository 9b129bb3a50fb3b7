// What may drop packets of a device and cannot be evaluated: BPF programs, filters and disciplines of
// tc(8), settings of ARP, rules inside a container. Named as evidence once packets are lost.
import { links } from '../checks-host.ts';
import type { Facts } from '../facts.ts';
import { parseRows } from '../text/parse-rows.ts';
import { inNamespace } from '../path/containers.ts';
import { shellWord, sysctlFix } from '../text/shell-word.ts';

export interface Suspect {
  readonly evidence: string;
  /** The command that takes it away. */
  readonly fix: string;
}

/** Of devices of this host. */
export async function readSuspects(facts: Facts, devices: readonly string[]): Promise<readonly Suspect[]> {
  const found = await Promise.all([
    findPrograms(facts, devices),
    ...devices.map((name) => findFilters(facts, name)),
    findDisciplines(facts, devices),
  ]);
  return found.flat();
}

/** Of the address resolution between a bridge and its containers. */
export async function readArpSuspects(facts: Facts, bridge: string): Promise<readonly Suspect[]> {
  const names = ['all', bridge];
  const [all = 0, own = 0] = await Promise.all(
    names.map(async (of) => Number((await facts.sysctl(`net/ipv4/conf/${of}/arp_ignore`)) ?? 0)),
  );
  if (Math.max(all, own) < SILENT_ARP) return [];
  return names
    .filter((_, index) => [all, own][index]! >= SILENT_ARP)
    .map((of) => `net/ipv4/conf/${of}/arp_ignore` as const)
    .map((path) => ({ evidence: `${path} = ${Math.max(all, own)}`, fix: sysctlFix(path, 0) }));
}

/** Values of arp_ignore from 3 on leave requests for some addresses of the device itself without an answer. */
const SILENT_ARP = 3;

/** Of the container itself. */
export async function readInnerSuspects(facts: Facts, path: string): Promise<readonly Suspect[]> {
  const { code, stdout } = await inNamespace(facts, path, 'nft', 'list', 'ruleset');
  if (code !== 0 || !/\b(?:drop|reject)\b/.test(stdout)) return [];
  const list = `nsenter --net=${shellWord(path)} nft list ruleset`;
  return [
    {
      evidence: `${list}: the container has rules of its own that drop`,
      fix: `${list}  # and remove the rule that drops`,
    },
  ];
}

async function findPrograms(facts: Facts, devices: readonly string[]): Promise<readonly Suspect[]> {
  const rows = (await links(facts)) ?? [];
  return rows
    .filter(({ ifname, xdp }) => devices.includes(ifname) && xdp !== undefined)
    .map(({ ifname, xdp }) => ({
      evidence: `ip link show ${ifname}: XDP program id ${xdp?.prog?.id ?? 'unknown'}`,
      fix: `ip link set dev ${shellWord(ifname)} xdp off; ip link set dev ${shellWord(ifname)} xdpgeneric off`,
    }));
}

interface FilterRow {
  readonly protocol?: string;
  readonly pref?: number;
  readonly kind?: string;
  readonly options?: { readonly bpf_name?: string; readonly bytecode?: string } | null;
}

/** Whether the filter is weft's own, of the BPF fast path below Linux 6.6 (native/bpf/filter.c). */
function isOwn({ kind, options }: FilterRow): boolean {
  return kind === 'bpf' && options?.bpf_name === 'weft';
}

async function findFilters(facts: Facts, name: string): Promise<readonly Suspect[]> {
  const found = await Promise.all(
    ['ingress', 'egress'].map(async (hook) => {
      const text = await facts.program('tc', '-j', 'filter', 'show', 'dev', name, hook);
      const all = parseRows(text) as readonly FilterRow[];
      const rows = all.filter((row) => row.options !== undefined && !isOwn(row));
      return rows.map(({ kind = '', pref = 0, options }): Suspect => ({
        evidence:
          `tc filter show dev ${name} ${hook}: pref ${pref} ${kind} ${options?.bpf_name ?? ''}`.trim(),
        fix: `tc filter del dev ${shellWord(name)} ${hook} pref ${pref}`,
      }));
    }),
  );
  return found.flat();
}

interface DisciplineRow {
  readonly kind: string;
  readonly dev: string;
  readonly handle?: string;
  readonly root?: true;
  /** Class of another discipline; unset for that of the device. */
  readonly parent?: string;
  readonly options?: {
    readonly 'loss-random'?: { readonly loss?: number };
    readonly rate?: number | { readonly rate?: number };
  };
}

/** Disciplines that lose packets by intent, or have little room. */
const LOSSY = new Set(['netem', 'tbf']);

async function findDisciplines(facts: Facts, devices: readonly string[]): Promise<readonly Suspect[]> {
  const text = await facts.program('tc', '-j', 'qdisc', 'show');
  const rows = parseRows(text) as readonly DisciplineRow[];
  return rows
    .filter(({ kind, dev }) => LOSSY.has(kind) && devices.includes(dev))
    .map((row) => {
      const { kind, dev, options } = row;
      const loss = options?.['loss-random']?.loss;
      return {
        evidence: `tc qdisc show dev ${dev}: ${kind}${loss === undefined ? '' : ` loss ${Math.round(loss * 100)}%`}`,
        fix: `tc qdisc del dev ${shellWord(dev)} ${placeOf(row)}`,
      };
    });
}

/** Without the one that shares the device among classes, which `root` would delete as well. */
function placeOf({ root, parent, handle }: DisciplineRow): string {
  if (root !== undefined || parent === undefined) return 'root';
  return `parent ${parent}${handle === undefined ? '' : ` handle ${handle}`}`;
}

// What the metrics were measured on.
import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** `none`, or the kind that the machine reports. */
  readonly virtualisation: string;
  /** Load average over the minute before the record was written: the benchmark's own work included. */
  readonly load: number;
}

/** All but the load: what must be equal for two records to be compared. */
export const MACHINE_IDENTITY = ['cpu', 'cores', 'memoryGiB', 'kernel', 'node', 'virtualisation'] as const;

export function readMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    virtualisation: readVirtualisation(),
    load: loadavg()[0]!,
  };
}

/** Virtual processors of qemu without KVM have this in their name. */
const EMULATED = /\bTCG\b/;

/** Whether each instruction was translated: only ratios within one run mean anything. */
export function isEmulated({ cpu }: Pick<Machine, 'cpu'>): boolean {
  return EMULATED.test(cpu);
}

/** In one line, as every result shows it. */
export function formatMachine(machine: Machine): string {
  const { kernel, cpu, cores, memoryGiB, node, virtualisation } = machine;
  const virtual = virtualisation === 'none' ? 'no virtualisation' : virtualisation;
  const remark = isEmulated(machine) ? '; EMULATED: only ratios within one run mean anything' : '';
  return `Linux ${kernel}, ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${virtual}, Node ${node}${remark}`;
}

/** Virtual CPUs set the hypervisor bit (x86: CPUID leaf 1, ECX bit 31); firmware tables may name the hypervisor. */
function readVirtualisation(): string {
  const kinds: string[] = [];
  const isVirtual =
    /^flags\s*:.*\bhypervisor\b/m.test(readText('/proc/cpuinfo')) || existsSync('/sys/hypervisor/type');
  if (isVirtual) {
    const names = ['/sys/hypervisor/type', '/sys/class/dmi/id/sys_vendor', '/sys/class/dmi/id/product_name'];
    const name = names.map(readText).filter(Boolean).join(' ');
    kinds.push(name === '' ? 'virtual machine' : `virtual machine (${name})`);
  }
  if (existsSync('/.dockerenv') || existsSync('/run/.containerenv')) kinds.push('container');
  return kinds.join(', ') || 'none';
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

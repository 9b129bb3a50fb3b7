// What this machine's kernel lets a suite make. Suites assert what a kernel with the feature does, and what one without it
// does; they skip nothing. Suites of `test/kernel/` need all of it, and run in the virtual machine alone.
import { spawnSync } from 'node:child_process';
import { release } from 'node:os';

const [major, minor] = release().split('.').map(Number);
const isSince6 = (least: number): boolean => major! > 6 || (major === 6 && minor! >= least);

/** A BPF program can take off headers of the other family (BPF_F_ADJ_ROOM_DECAP_L3_IPV4, Linux 6.3). */
export const CHANGES_FAMILY = isSince6(3);
/** A device can be renamed while it is up (Linux 6.2); before, it loses its routes and neighbours for that moment. */
export const RENAMES_WHILE_UP = isSince6(2);

const SA = 'src 127.0.0.8 dst 127.0.0.9 proto esp spi 0x1000';

/** Shell commands that succeed in a network namespace where the feature exists for this process. */
const PROBES = {
  ipip: 'ip link add weft-probe type ipip local 127.0.0.9',
  // A user namespace other than the first may not make ports.
  fou: 'modprobe -q fou; ip fou add port 8285 ipproto 4',
  esp: `ip xfrm state add ${SA} mode tunnel enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff`,
} as const;

export type KernelFeature = keyof typeof PROBES;

const known = new Map<KernelFeature, boolean>();

/** Of the virtual machine it is known without a probe, so that a failure there is the suite's. */
export function kernelHas(feature: KernelFeature): boolean {
  if (process.env['WEFT_TEST_KERNEL'] !== undefined) return true;
  const found = known.get(feature) ?? probe(PROBES[feature]);
  known.set(feature, found);
  return found;
}

function probe(script: string): boolean {
  return spawnSync('unshare', ['--net', 'sh', '-c', script], { stdio: 'ignore' }).status === 0;
}

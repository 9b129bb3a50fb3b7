// The baseline of the converge benchmark: the same kernel entries, made by `ip -batch` and `bridge -batch`.
import type { Lab } from '../../lab/lab.ts';
import { fakePeer } from './seed.ts';

const BATCH_SECTIONS = ['neighbour', 'fdb', 'route'] as const;

/** Makes the same device and entries with iproute2 on the bare host. Returns the time of the entries alone. */
export async function runBaseline(lab: Lab, count: number): Promise<number> {
  await lab.check('h2', [
    'ip',
    'link',
    'add',
    'flannel.1',
    'type',
    'vxlan',
    'id',
    '1',
    'dev',
    'eth0',
    'dstport',
    '8472',
    'nolearning',
  ]);
  await lab.check('h2', ['ip', 'link', 'set', 'flannel.1', 'up']);
  for (const section of BATCH_SECTIONS)
    await lab.check('h2', ['sh', '-c', `cat > /run/${section}.batch`], { input: batchLines(section, count) });
  const script =
    'date +%s%N; ip -batch /run/neighbour.batch && bridge -batch /run/fdb.batch && ip -batch /run/route.batch && date +%s%N';
  const [from, to] = (await lab.check('h2', ['sh', '-c', script])).trim().split('\n');
  return Number(BigInt(to!) - BigInt(from!)) / 1e6;
}

function batchLines(section: (typeof BATCH_SECTIONS)[number], count: number): string {
  let text = '';
  for (let index = 0; index < count; index++) {
    const { subnet, publicIp, mac } = fakePeer(index);
    if (section === 'neighbour')
      text += `neigh replace ${subnet} lladdr ${mac} dev flannel.1 nud permanent\n`;
    else if (section === 'fdb') text += `fdb replace ${mac} dev flannel.1 dst ${publicIp} self permanent\n`;
    else text += `route replace ${subnet}/24 via ${subnet} dev flannel.1 onlink\n`;
  }
  return text;
}

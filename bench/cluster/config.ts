// How soon is a network config live? Ten hosts; it is written by `weft config set`, `etcdctl put` and curl to etcd's JSON
// gateway in turn, and the kernels of all hosts are polled until their devices have the new MTU.
import { join } from 'node:path';
import { Lab } from '../../lab/lab.ts';
import { packageRoot } from '../../lab/package-root.ts';
import { ETCD_URL } from '../../lab/topology.ts';
import { waitEvenly, waitFor } from '../../lab/wait.ts';
import type { BenchResult } from '../metrics.ts';

const HOSTS = 10;
const KEY = '/coreos.com/network/config';
const LIMIT_MS = 20_000;

type Writer = (lab: Lab, document: string) => Promise<void>;

const WRITERS: Readonly<Record<string, Writer>> = {
  'weft config set': async (lab, document) => {
    const weft = ['env', `WEFT_NODE=${process.execPath}`, join(packageRoot(), 'bin', 'weft')];
    const args = ['config', 'set', '-', '--yes', '--no-wait', '--etcd-endpoints', ETCD_URL];
    await lab.check('etcd', [...weft, ...args], { input: document });
  },
  'etcdctl put': (lab, document) => lab.putConfig(document),
  curl: async (lab, document) => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const body = JSON.stringify({ key: base64(KEY), value: base64(document) });
    await lab.check('etcd', ['curl', '-sf', '-d', body, `${ETCD_URL}/v3/kv/put`]);
  },
};

export async function benchConfig(rounds = 5): Promise<BenchResult> {
  const lab = await Lab.create({ name: `bench-${process.pid}`, hosts: HOSTS });
  try {
    for (const { name } of lab.topology.hosts)
      await waitFor(`${name} to be ready`, () => lab.isReady(name), 30_000, 50);
    const runs = new Map(Object.keys(WRITERS).map((name) => [name, [] as number[]]));
    let mtu = 1400;
    for (let round = 0; round < rounds; round++)
      for (const [name, write] of Object.entries(WRITERS))
        runs.get(name)!.push(await measureOnce(lab, write, mtu--));
    const metrics = [...runs].map(([name, values]) => ({
      name: `${name}: from its end to all ${HOSTS} kernels`,
      unit: 'ms' as const,
      runs: values,
      atMost: 1000,
    }));
    return {
      bench: 'config',
      invalidatedBy: 'a config is live on the last of ten hosts more than 1 s after its writer has ended',
      metrics,
    };
  } finally {
    await lab.down();
  }
}

/** Milliseconds from the end of the writer until one poll of all kernels, included in the time, reads the new MTU. */
async function measureOnce(lab: Lab, write: Writer, mtu: number): Promise<number> {
  await write(lab, JSON.stringify({ Network: '10.5.0.0/16', Backend: { Type: 'vxlan', MTU: mtu + 50 } }));
  const startedMs = performance.now();
  const isLive = async (name: string) =>
    (await lab.check(name, ['ip', 'link', 'show', 'flannel.1'])).includes(` mtu ${mtu} `);
  const areLive = async () => {
    const results = await Promise.all(lab.topology.hosts.map(({ name }) => isLive(name)));
    return results.every(Boolean);
  };
  await waitEvenly('the config to be live', areLive, LIMIT_MS, 1);
  return performance.now() - startedMs;
}

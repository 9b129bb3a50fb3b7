// How long is a host broken? Each manual fault is made, and a shell loop on the same host checks until
// the host is healthy. The loop's own checks (about 2 ms an entry, 20 ms a device) are part of the metric.
import { setTimeout } from 'node:timers/promises';
import { faultsOf, type Fault, type FaultFacts } from '../../lab/faults.ts';
import { Lab } from '../../lab/lab.ts';
import { subnetOf } from '../../lab/run.ts';
import { waitFor } from '../../lab/wait.ts';
import type { BenchResult, Metric } from '../metrics.ts';

const LIMIT_MS = { entry: 200, device: 1000 } as const;
const CHECK_LIMIT_SEC = 20;
/** Between rounds: endless repeated faults would resemble an external actor, for which the daemon slows down. */
const QUIET_MS = 8000;

export async function benchRepair(rounds = 5): Promise<BenchResult> {
  const lab = await Lab.create({ name: `bench-${process.pid}`, hosts: 2 });
  try {
    for (const name of ['h1', 'h2'])
      await waitFor(`${name} to be ready`, () => lab.isReady(name), 20_000, 50);
    const facts = await readFacts(lab);
    const faults = faultsOf(facts);
    const runs = new Map<Fault, number[]>(faults.map((fault) => [fault, []]));
    for (let round = 0; round < rounds; round++) {
      for (const fault of faults) runs.get(fault)!.push(await measureOnce(lab, fault));
      await setTimeout(QUIET_MS);
    }
    const metrics = faults.map((fault) => metricOf(fault, runs.get(fault)!));
    return {
      bench: 'repair',
      invalidatedBy: 'an entry is missing for more than 200 ms, or a device for more than 1 s',
      metrics,
    };
  } finally {
    await lab.down();
  }
}

async function readFacts(lab: Lab): Promise<FaultFacts> {
  const macOf = async (name: string) => {
    const output = await lab.check(name, ['cat', '/sys/class/net/flannel.1/address']);
    return output.trim();
  };
  return {
    device: 'flannel.1',
    ownSubnet: await subnetOf(lab, 'h1'),
    ownMac: await macOf('h1'),
    mtu: 1450,
    peerSubnet: await subnetOf(lab, 'h2'),
    peerMac: await macOf('h2'),
    peerPublicIp: lab.host('h2').publicIp,
  };
}

function metricOf({ kind, name }: Fault, runs: readonly number[]): Metric {
  return { name: `${kind}: ${name}`, unit: 'ms', runs, atMost: LIMIT_MS[kind] };
}

/** Time from just after the fault until the host is healthy. */
async function measureOnce(lab: Lab, fault: Fault): Promise<number> {
  const script = `
    end=$(($(date +%s) + ${CHECK_LIMIT_SEC}))
    until { ${fault.isHealthy}; } do [ $(date +%s) -lt $end ] || exit 1; done
    { ${fault.script}; } >/dev/null 2>&1
    from=$(date +%s%N)
    until { ${fault.isHealthy}; } do [ $(date +%s) -lt $end ] || exit 1; done
    echo $(($(date +%s%N) - from))`;
  const output = await lab.check('h1', ['bash', '--norc', '-c', script], {
    timeoutMs: (CHECK_LIMIT_SEC + 5) * 1000,
  });
  return Number(output) / 1e6;
}

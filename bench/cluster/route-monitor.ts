// `ip monitor route` on `h1`: when a route came or went, by the kernel's own notification.
import { spawn } from 'node:child_process';
import type { Lab } from '../../lab/lab.ts';
import { waitFor } from '../../lab/wait.ts';
import type { Writer } from './lab-programs.ts';

export interface RouteMonitor {
  /**
   * Sends `command` to the writer of leases. Resolves with the ms from then to the first line that begins with `start`. The clock
   * starts at the request; etcd accepts it a moment later, so the time is an upper bound.
   */
  timeOf(writer: Writer, command: object, start: string): Promise<number>;
  end(): void;
}

/** Resolves once it listens for certain. */
export async function openMonitor(lab: Lab): Promise<RouteMonitor> {
  const [file, ...args] = lab.sandbox.commandLine(['ip', '-ts', 'monitor', 'route'], 'h1');
  const monitor = spawn(file!, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let seen = '';
  monitor.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
  const prime = async (): Promise<boolean> => {
    // Added and deleted: a replace by an identical route emits no notification.
    await lab.check('h1', ['sh', '-c', 'ip route add 203.0.113.1/32 dev lo; ip route del 203.0.113.1/32']);
    return seen.includes('203.0.113.1');
  };
  await waitFor('ip monitor to listen', prime, 10_000);
  /** Unix time, in ms. */
  const lineSeenMs = async (start: string): Promise<number> => {
    const line = new RegExp(`\\[([0-9T:.-]+)\\] ?${start.replaceAll('.', '\\.')} `);
    await waitFor(`the notification '${start}'`, () => line.test(seen), 10_000, 2);
    return Date.parse(`${line.exec(seen)![1]!.slice(0, 23)}Z`);
  };
  return {
    async timeOf(writer, command, start) {
      const askedMs = performance.timeOrigin + performance.now();
      await writer.send(command);
      return (await lineSeenMs(start)) - askedMs;
    },
    end: () => void monitor.kill(),
  };
}

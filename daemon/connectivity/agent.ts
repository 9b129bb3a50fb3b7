// The process of a test endpoint: it runs in the network namespace where it was started, takes requests
// as lines of JSON on standard input and answers each with one line. It ends with its standard input,
// so that it never outlives its parent, and at its deadline. Its namespace and devices end with it.
import { createInterface } from 'node:readline';
import type { ListenerV1 } from '../../api/index.ts';
import type { IpAddress } from '../../lib/address.ts';
import { loadNative } from '../../native/index.ts';
import { runTool } from '../kernel/firewall/run-tool.ts';
import { listen } from './listener.ts';
import { runProbe, type ProbeOutcome, type ProbeSpec } from './probe.ts';

/** What the agent does. */
export type AgentCall =
  /** Runs lines of `ip -batch`. */
  | { readonly call: 'ip'; readonly lines: readonly string[] }
  | { readonly call: 'listen'; readonly addresses: readonly IpAddress[]; readonly token: string }
  | { readonly call: 'probe'; readonly spec: ProbeSpec };

export interface AgentResults {
  readonly ip: null;
  readonly listen: readonly ListenerV1[];
  readonly probe: ProbeOutcome;
}

export type AgentRequest = AgentCall & { readonly id: number };

export type AgentAnswer =
  /** The first line: the namespace exists. */
  | { readonly id: 0 }
  | { readonly id: number; readonly result: AgentResults[AgentCall['call']] }
  | { readonly id: number; readonly error: string };

/** Never resolves: the process exits. */
export async function runAgent(seconds: number): Promise<never> {
  setTimeout(() => process.exit(0), seconds * 1000);
  const answer = (line: AgentAnswer): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  answer({ id: 0 });
  process.stdout.on('error', () => process.exit(0));
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as AgentRequest;
    const { id } = request;
    void perform(request).then(
      (result) => answer({ id, result }),
      (error: Error) => answer({ id, error: error.message }),
    );
  }
  process.exit(0);
}

async function perform(request: AgentRequest): Promise<AgentResults[AgentCall['call']]> {
  switch (request.call) {
    case 'ip': {
      const { code, stderr } = await runTool('ip', ['-batch', '-'], `${request.lines.join('\n')}\n`);
      if (code !== 0) throw new Error(stderr.trim().split('\n')[0] ?? `ip ended with code ${code}`);
      return null;
    }
    case 'listen': {
      const { token } = request;
      const listeners = await Promise.all(request.addresses.map((address) => listen(address, token)));
      return listeners.map(({ address, tcp, udp }) => ({ address, tcp, udp }));
    }
    case 'probe':
      return runProbe(request.spec, loadNative());
  }
}

// Starts an agent, in a network namespace of its own or in that of this process, and sends requests to it.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { AgentAnswer, AgentCall, AgentResults } from './agent.ts';
import { weftCommand } from './weft-command.ts';

/**
 * How a process gets a network namespace: with CAP_SYS_ADMIN, else in a user namespace of its own. That
 * one maps no user, as to map root needs CAP_SETFCAP since Linux 5.12; it keeps capabilities over execve.
 */
const NAMESPACES: readonly (readonly string[])[] = [
  ['unshare', '-n'],
  ['unshare', '-U', '-n', '--keep-caps'],
];
const START_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 20_000;

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export class AgentProcess {
  readonly pid: number;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, Pending>();
  #count = 0;
  #end: Error | undefined;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.pid = child.pid!;
  }

  /** In a network namespace of its own. @throws Error with the reason if this process may not make one */
  static async startInNamespace(seconds: number): Promise<AgentProcess> {
    const reasons: string[] = [];
    for (const prefix of NAMESPACES) {
      const agent = await AgentProcess.#start(prefix, seconds);
      if (agent instanceof AgentProcess) return agent;
      reasons.push(agent);
    }
    throw new Error(`no network namespace can be made: ${[...new Set(reasons)].join('; ')}`);
  }

  /** In the network namespace of this process. */
  static async startHere(seconds: number): Promise<AgentProcess> {
    const agent = await AgentProcess.#start([], seconds);
    if (agent instanceof AgentProcess) return agent;
    throw new Error(`the test program does not start: ${agent}`);
  }

  /** In the network namespace of a file that nsenter(1) takes. @throws Error with the reason */
  static async startIn(path: string, seconds: number): Promise<AgentProcess> {
    const agent = await AgentProcess.#start(['nsenter', `--net=${path}`], seconds);
    if (agent instanceof AgentProcess) return agent;
    throw new Error(`${path} cannot be entered: ${agent}`);
  }

  /** @returns why it does not start. */
  static #start(prefix: readonly string[], seconds: number): Promise<AgentProcess | string> {
    const [file, ...args] = [...prefix, ...weftCommand(), 'connectivity', 'agent', String(seconds)];
    const child = spawn(file, args, { cwd: '/', env: environment() });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-500)));
    return new Promise((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
      const agent = new AgentProcess(child);
      agent.#follow(() => {
        clearTimeout(timer);
        resolve(agent);
      });
      child.once('error', (error) => resolve(error.message));
      child.once('close', () => {
        clearTimeout(timer);
        agent.#fail(new Error(`the test program ended: ${output.trim() || 'no output'}`));
        resolve(output.trim().split('\n').at(-1) || 'it ended without output');
      });
    });
  }

  #follow(onStart: () => void): void {
    this.#child.stdin.on('error', () => undefined);
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as AgentAnswer;
      if (answer.id === 0) return onStart();
      const pending = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if ('error' in answer) pending?.reject(new Error(answer.error));
      else if ('result' in answer) pending?.resolve(answer.result as never);
    });
  }

  /** @throws Error if it fails, or the agent has ended. */
  call<Call extends AgentCall>(request: Call): Promise<AgentResults[Call['call']]> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => fail(new Error(`no result of ${request.call} in time`)),
        CALL_TIMEOUT_MS,
      );
      const fail = (error: Error): void => {
        clearTimeout(timer);
        this.#pending.delete(id);
        reject(error);
      };
      const done = (result: AgentResults[Call['call']]): void => {
        clearTimeout(timer);
        resolve(result);
      };
      this.#pending.set(id, { resolve: done, reject: fail });
      this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  /** Ends it, with its namespace and devices. Resolves when it has ended. */
  async close(): Promise<void> {
    if (this.#end !== undefined) return;
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    await closed;
  }

  #fail(error: Error): void {
    this.#end = error;
    for (const { reject } of this.#pending.values()) reject(error);
  }
}

/** The service manager's socket and descriptors are the daemon's alone. */
function environment(): NodeJS.ProcessEnv {
  const { NOTIFY_SOCKET: _, LISTEN_FDS: __, WATCHDOG_USEC: ___, ...rest } = process.env;
  return { ...rest, PATH: `${rest['PATH'] ?? ''}:/usr/sbin:/sbin` };
}

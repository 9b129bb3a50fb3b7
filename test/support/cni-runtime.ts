// The network part of a container runtime: it calls CNI plugins according to the specification (1.1, section
// "Execution Protocol"), in the order of a conflist, and keeps the result of ADD for what comes later.

/** A conflist as on disk. */
export interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly Record<string, unknown>[];
}

/** One execution of a plugin: where, and with what, is the caller's business. */
export type Execute = (call: {
  readonly type: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string;
}) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;

export interface Container {
  readonly id: string;
  /** Path of its network namespace. */
  readonly netns: string;
  readonly ifname?: string;
}

export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces: readonly { readonly name: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway?: string }[];
  readonly routes: readonly { readonly dst: string; readonly gw?: string }[];
}

/** What a plugin answered when it failed. */
export class PluginError extends Error {
  readonly answer: { readonly code: number; readonly msg: string; readonly details?: string };

  constructor(type: string, command: string, stdout: string, stderr: string) {
    super(`${type} ${command}: ${stdout} ${stderr}`);
    this.answer = JSON.parse(stdout || '{"code":-1,"msg":"no answer"}') as PluginError['answer'];
  }
}

export class CniRuntime {
  readonly #list: Conflist;
  readonly #execute: Execute;
  readonly #path: string;
  readonly #results = new Map<string, CniResult>();

  /** @param path - CNI_PATH */
  constructor(list: Conflist, path: string, execute: Execute) {
    this.#list = list;
    this.#path = path;
    this.#execute = execute;
  }

  async add(container: Container): Promise<CniResult> {
    let prevResult: CniResult | undefined;
    for (const plugin of this.#list.plugins)
      prevResult = JSON.parse(await this.#call('ADD', plugin, container, { prevResult })) as CniResult;
    this.#results.set(container.id, prevResult!);
    return prevResult!;
  }

  async check(container: Container): Promise<void> {
    const prevResult = this.#results.get(container.id);
    for (const plugin of this.#list.plugins) await this.#call('CHECK', plugin, container, { prevResult });
  }

  async del(container: Container): Promise<void> {
    const prevResult = this.#results.get(container.id);
    for (const plugin of this.#list.plugins.toReversed())
      await this.#call('DEL', plugin, container, { prevResult });
  }

  /** @param valid - unset leaves the list out, which no runtime should. */
  async gc(valid?: readonly Container[]): Promise<void> {
    const attachments = valid?.map(({ id, ifname = 'eth0' }) => ({ containerID: id, ifname }));
    for (const plugin of this.#list.plugins)
      await this.#call('GC', plugin, undefined, { 'cni.dev/valid-attachments': attachments });
  }

  async status(): Promise<void> {
    for (const plugin of this.#list.plugins) await this.#call('STATUS', plugin, undefined, {});
  }

  async #call(
    command: string,
    plugin: Record<string, unknown>,
    container: Container | undefined,
    more: object,
  ) {
    const { cniVersion, name } = this.#list;
    const environment = {
      CNI_COMMAND: command,
      CNI_PATH: this.#path,
      ...(container === undefined
        ? {}
        : {
            CNI_CONTAINERID: container.id,
            CNI_NETNS: container.netns,
            CNI_IFNAME: container.ifname ?? 'eth0',
          }),
    };
    const type = String(plugin['type']);
    const input = JSON.stringify({ ...plugin, cniVersion, name, ...more });
    const { code, stdout, stderr } = await this.#execute({ type, environment, input });
    if (code !== 0) throw new PluginError(type, command, stdout, stderr);
    return stdout;
  }
}

// What checks look at: answers of the daemon, etcd, the kernel, files. Each is asked for when the first check wants it, once.
// What cannot be had is `undefined`, which is a finding of one check and no reason for others to fail.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createEtcdConfigStore } from '../../allocator/etcd/config-store.ts';
import type { EtcdOptions } from '../../allocator/etcd/options.ts';
import { parseNetworkConfig, type NetworkConfigResult } from '../../allocator/config-parse.ts';
import type { ConfigStore, ConfigView } from '../../allocator/config-store.ts';
import { decodeEntry } from '../../allocator/lease-entry.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { DiffV1, OptionsV1, PeersV1, StatusV1 } from '../../daemon/control/types.ts';
import { Prober } from '../../daemon/probe/prober.ts';
import { NoDaemonError, RefusedError, type ControlClient } from '../control-client.ts';

export interface FactsOptions {
  readonly client: ControlClient;
  readonly etcd: EtcdOptions;
  /** Where /proc, /etc and /run are; default `/`. */
  readonly root?: string;
  /** Runs a program; `undefined` if it is not there or fails. Default: for real. */
  readonly output?: (argv: readonly string[]) => Promise<string | undefined>;
}

/** How long etcd may take for one answer. */
export const ETCD_PATIENCE_MS = 2500;
const PROGRAM_PATIENCE_MS = 5000;

export interface Registry {
  readonly view?: ConfigView;
  readonly error?: Error;
}

export class Facts {
  readonly etcd: EtcdOptions;
  readonly prober = new Prober();
  readonly #client: ControlClient;
  readonly #root: string;
  readonly #output: (argv: readonly string[]) => Promise<string | undefined>;
  readonly #known = new Map<string, Promise<unknown>>();

  constructor({ client, etcd, root = '/', output = outputOf }: FactsOptions) {
    this.#client = client;
    this.etcd = etcd;
    this.#root = root;
    this.#output = output;
  }

  /** Why no daemon answers; `undefined` if one does. */
  get silence(): Promise<NoDaemonError | undefined> {
    return this.#once('silence', async () => {
      try {
        await this.#client.ask<StatusV1>('status');
        return undefined;
      } catch (error) {
        if (error instanceof NoDaemonError) return error;
        throw error;
      }
    });
  }

  get status(): Promise<StatusV1 | undefined> {
    return this.#ask<StatusV1>('status');
  }

  get peers(): Promise<PeersV1 | undefined> {
    return this.#ask<PeersV1>('peers');
  }

  get options(): Promise<OptionsV1 | undefined> {
    return this.#ask<OptionsV1>('options');
  }

  /** As it is at this moment. */
  readDiff(): Promise<DiffV1 | undefined> {
    return this.#askNow<DiffV1>('diff');
  }

  /** The registry through all of its endpoints. */
  get registry(): Promise<Registry> {
    return this.#once('registry', async () => {
      let store: ConfigStore | undefined;
      try {
        store = createEtcdConfigStore({ ...this.etcd, requestTimeoutMs: ETCD_PATIENCE_MS });
        return { view: await store.read() };
      } catch (error) {
        return { error: error as Error };
      } finally {
        store?.close();
      }
    });
  }

  /** The document in etcd, as every host reads it; `undefined` if there is none to be had. */
  get document(): Promise<NetworkConfigResult | undefined> {
    return this.#once('document', async () => {
      const { view } = await this.registry;
      return view?.config && parseNetworkConfig(view.config.text);
    });
  }

  /** Leases in etcd. */
  get leases(): Promise<readonly Lease[]> {
    return this.#once('leases', async () => {
      const { view } = await this.registry;
      return (view?.leases ?? []).flatMap((entry) => {
        const decoded = decodeEntry(entry);
        return decoded.ok ? [decoded.lease] : [];
      });
    });
  }

  /** Value of a sysctl, for example `net/ipv4/ip_forward`. */
  sysctl(path: string): Promise<string | undefined> {
    return this.file(`proc/sys/${path}`).then((text) => text?.trim());
  }

  /** Text of a file below the root. */
  file(path: string): Promise<string | undefined> {
    return this.#once(`file ${path}`, () => readFile(`${this.#root}${path}`, 'utf8').catch(() => undefined));
  }

  /** Where a file of the host is. */
  path(path: string): string {
    return `${this.#root}${path.replace(/^\//, '')}`;
  }

  /** Output of a program; `undefined` if it is not there or fails. */
  program(...argv: readonly string[]): Promise<string | undefined> {
    return this.#once(argv.join(' '), () => this.#output(argv));
  }

  /** Rows of `ip -j …`. */
  async ip<Row>(...words: readonly string[]): Promise<readonly Row[] | undefined> {
    const text = await this.program('ip', '-j', ...words);
    if (text === undefined) return undefined;
    return text.trim() === '' ? [] : (JSON.parse(text) as Row[]);
  }

  close(): void {
    this.prober.close();
  }

  #ask<Answer>(name: string): Promise<Answer | undefined> {
    return this.#once(name, () => this.#askNow<Answer>(name));
  }

  async #askNow<Answer>(name: string): Promise<Answer | undefined> {
    try {
      return await this.#client.ask<Answer>(name);
    } catch (error) {
      if (error instanceof NoDaemonError || error instanceof RefusedError) return undefined;
      throw error;
    }
  }

  #once<Answer>(name: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#known.get(name) as Promise<Answer> | undefined;
    if (known !== undefined) return known;
    const answer = ask();
    this.#known.set(name, answer);
    return answer;
  }
}

function outputOf([file, ...args]: readonly string[]): Promise<string | undefined> {
  const options = { timeout: PROGRAM_PATIENCE_MS, maxBuffer: 64 << 20 };
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  return new Promise((resolve) => {
    execFile(file!, args, { ...options, env }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
  });
}

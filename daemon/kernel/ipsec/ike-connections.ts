// Connections of charon as a table of the kernel. charon keeps what it was given until it ends, and
// names it when asked; after its end all of it is absent, and the next set starts it again. A connection
// without SAs in the kernel is begun again: charon takes SAs that another program removed for alive, and
// gives a peer up that refused it once.
import type { CharonObject, IkeObject } from '../../../backends/kernel-state.ts';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { escapeControls } from '../../../lib/escape.ts';
import type { ActualObject } from '../actual-state.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';
import { startCharon, VICI_SOCKET } from './charon.ts';
import { ViciClient, ViciError } from './vici-client.ts';
import type { ViciSection } from './vici-message.ts';

export interface IkeConnectionsOptions {
  /** Default {@link VICI_SOCKET}. */
  readonly socket?: string;
  /** Default {@link startCharon}. */
  readonly start?: (socket: string) => Promise<void>;
  /** All objects are gone: charon ended. */
  readonly onGone?: () => void;
  /** `SOURCE>DESTINATION` of the kernel's SAs; default: not known, and no connection is begun again. */
  readonly listSas?: (() => Promise<ReadonlySet<string>>) | undefined;
  readonly clock?: Clock;
}

/** Time for charon to negotiate before a connection without SAs is begun again. */
export const NEGOTIATION_MS = 30_000;
/** From one check to the next while connections without SAs are left: charon also tries by itself. */
export const RECHECK_MS = 60_000;

/** Errors of a charon that does not run. */
const NOT_RUNNING: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED']);
/** As flannel's. Its policies have the same. */
const REQUEST_ID = '11';
const IKE_PROPOSAL = 'aes256-sha256-modp4096';
/** flannel's names: own address, own subnet, subnet and address of the peer. */
const NAME = /^[0-9.]+-[0-9./]+-[0-9./]+-[0-9.]+$/;

export class IkeConnections {
  readonly #client: ViciClient;
  readonly #options: Required<IkeConnectionsOptions>;
  readonly #loaded = new Map<string, IkeObject>();
  /** When each was begun last. */
  readonly #begunAtMs = new Map<string, number>();
  /** Ends the check that is due later, if one is. */
  #cancelCheck: (() => void) | undefined;

  constructor(options: IkeConnectionsOptions = {}) {
    const {
      socket = VICI_SOCKET,
      start = startCharon,
      onGone = () => undefined,
      listSas,
      clock = systemClock,
    } = options;
    this.#options = { socket, start, onGone, listSas, clock };
    this.#client = new ViciClient(socket, () => this.#onGone());
  }

  /** What charon has; nothing if it does not run. @throws ViciError if it does not answer. */
  async list(): Promise<readonly ActualObject[]> {
    const names = await this.#names();
    if (names === undefined) return [];
    for (const name of this.#loaded.keys()) if (!names.includes(name)) this.#loaded.delete(name);
    await this.#beginLost();
    const found = names
      .filter((name) => NAME.test(name))
      .map((name) => this.#loaded.get(name) ?? unknown(name));
    return [{ kind: 'charon', socket: this.#options.socket }, ...found];
  }

  /** Never rejects. */
  async apply(action: 'set' | 'remove', object: IkeObject | CharonObject): Promise<Outcome> {
    try {
      if (action === 'set') await this.#ensureCharon();
      if (object.kind === 'ike') await (action === 'set' ? this.#load(object) : this.#unload(object));
      return DONE;
    } catch (error) {
      if (action === 'remove' && isNotRunning(error)) return DONE;
      return { status: 'rejected', errno: 'ECONNREFUSED', message: escapeControls((error as Error).message) };
    }
  }

  /** An SA ended: checks that there is another one once charon has had the time to negotiate. */
  onSaEnded(): void {
    this.#checkLater(NEGOTIATION_MS);
  }

  close(): void {
    this.#cancelCheck?.();
    this.#client.close();
  }

  async #ensureCharon(): Promise<void> {
    try {
      await this.#client.call('version');
    } catch (error) {
      if (!isNotRunning(error)) throw error;
      await this.#options.start(this.#options.socket);
      await this.#client.call('version');
    }
  }

  /** Of an earlier process's charon as well. */
  #onGone(): void {
    this.#loaded.clear();
    this.#options.onGone();
  }

  async #load(object: IkeObject): Promise<void> {
    const { local, name, psk, publicIp, remote } = object;
    await this.#client.call('load-shared', {
      id: keyId(name),
      type: 'IKE',
      data: psk?.reveal() ?? '',
      owners: [...new Set([publicIp, local, remote])],
    });
    await this.#client.call('load-conn', { [name]: connectionOf(object) });
    this.#loaded.set(name, object);
    this.#begunAtMs.set(name, this.#options.clock.nowMs());
    this.#checkLater(NEGOTIATION_MS);
  }

  #checkLater(delayMs: number): void {
    if (this.#options.listSas === undefined) return;
    this.#cancelCheck ??= this.#options.clock.setTimer(delayMs, () => {
      this.#cancelCheck = undefined;
      // What the kernel does not answer, the next read of all tables reports.
      void this.#beginLost().catch(() => this.#checkLater(RECHECK_MS));
    });
  }

  async #beginLost(): Promise<void> {
    const { listSas, clock } = this.#options;
    if (this.#loaded.size === 0 || listSas === undefined) return;
    const sas = await listSas();
    const hasSas = ({ local, remote }: IkeObject): boolean =>
      sas.has(`${local}>${remote}`) && sas.has(`${remote}>${local}`);
    const lost = [...this.#loaded.values()].filter((each) => !hasSas(each));
    if (lost.length > 0) this.#checkLater(RECHECK_MS);
    const isDue = ({ name }: IkeObject): boolean =>
      clock.nowMs() - (this.#begunAtMs.get(name) ?? 0) >= NEGOTIATION_MS;
    for (const object of lost.filter(isDue)) await this.#begin(object);
  }

  /** Does not wait for the negotiation. */
  async #begin({ name, localSubnet, remoteSubnet }: IkeObject): Promise<void> {
    this.#begunAtMs.set(name, this.#options.clock.nowMs());
    await this.#client.call('terminate', { ike: name, force: 'yes', timeout: '-1' }).catch(() => undefined);
    const child = `${localSubnet}-${remoteSubnet}`;
    await this.#client.call('initiate', { ike: name, child, timeout: '-1' }).catch(() => undefined);
  }

  async #unload({ name }: IkeObject): Promise<void> {
    this.#loaded.delete(name);
    this.#begunAtMs.delete(name);
    const names = await this.#names();
    if (names?.includes(name) !== true) return;
    await this.#client.call('unload-conn', { name });
    // SAs outlive their connection. Without any, charon calls that a failure.
    await this.#client.call('terminate', { ike: name, timeout: '-1' }).catch(() => undefined);
    await this.#client.call('unload-shared', { id: keyId(name) }).catch(() => undefined);
  }

  /** Names of connections; `undefined` if charon does not run. */
  async #names(): Promise<readonly string[] | undefined> {
    try {
      const { conns } = await this.#client.call('get-conns');
      return Array.isArray(conns) ? (conns as readonly string[]) : [];
    } catch (error) {
      if (!isNotRunning(error)) throw error;
      this.#loaded.clear();
      return undefined;
    }
  }
}

function isNotRunning(error: unknown): boolean {
  return error instanceof ViciError && NOT_RUNNING.has(error.code);
}

function keyId(name: string): string {
  return `weft ${name}`;
}

/** A connection of an earlier process: its settings are unknown, and set again. */
function unknown(name: string): ActualObject {
  const [local = '', localSubnet = '', remoteSubnet = '', remote = ''] = name.split('-');
  const fields = { local, localSubnet, remoteSubnet, remote, publicIp: local } as unknown as IkeObject;
  const settings = { espProposal: '', isUdpEncap: false, psk: undefined };
  return { ...fields, ...settings, kind: 'ike', name, mismatch: 'of an earlier process' };
}

/** flannel's settings. Policies are the kernel's, which weft makes as flannel does. */
function connectionOf(object: IkeObject): ViciSection {
  const { espProposal, isUdpEncap, local, localSubnet, publicIp, remote, remoteSubnet } = object;
  return {
    version: '2',
    local_addrs: [local],
    remote_addrs: [remote],
    proposals: [IKE_PROPOSAL],
    keyingtries: '0',
    encap: isUdpEncap ? 'yes' : 'no',
    // Behind a NAT peers know the public address alone.
    local: { auth: 'psk', id: publicIp },
    remote: { auth: 'psk', id: remote },
    children: {
      [`${localSubnet}-${remoteSubnet}`]: {
        local_ts: [localSubnet],
        remote_ts: [remoteSubnet],
        esp_proposals: [espProposal],
        start_action: 'start',
        close_action: 'trap',
        dpd_action: 'restart',
        mode: 'tunnel',
        reqid: REQUEST_ID,
        rekey_time: '1h',
        policies: 'no',
      },
    },
  };
}

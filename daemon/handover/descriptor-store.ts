// Descriptors of TUN devices, their sockets and BPF programs, stored with systemd from one process
// to the next (FDSTORE in sd_notify(3), sd_listen_fds(3)), so that a restart loses neither devices
// nor routes nor queued packets. Beside them a checkpoint of each device in a memfd. Does nothing
// without a service manager.
import { closeSync, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import type { PathDescriptor } from '../../native/packet-path.ts';
import type { DescriptorStore } from '../kernel/path-table.ts';
import type { Logger } from '../log/log.ts';

export interface DescriptorStoreOptions {
  /**
   * Default `process.env`. The LISTEN_* variables are removed from it, as child processes must not
   * see them.
   */
  readonly env?: Record<string, string | undefined>;
  /** Default `process.pid`. */
  readonly pid?: number;
  readonly log: Logger;
  /**
   * Sends one datagram with descriptors to a UNIX socket; throws with a `code`. Unset without the
   * native addon.
   */
  readonly sendDatagram?: ((path: string, text: string, fds: readonly number[]) => void) | undefined;
  /**
   * Creates a memfd (memfd_create(2)). Unset without the native addon: there are no checkpoints.
   */
  readonly openMemoryFile?: ((name: string) => number) | undefined;
  /** Default `closeSync`. */
  readonly close?: (fd: number) => void;
}

interface Message {
  readonly device: string;
  readonly text: string;
  readonly fds: readonly number[];
}

/** Descriptors of one device of an earlier process. */
interface Inherited {
  readonly descriptors: readonly PathDescriptor[];
  /** In use by {@link SystemdDescriptorStore.peek}, but not taken. */
  readonly isPeeked: boolean;
}

/** First descriptor that a service manager passes (SD_LISTEN_FDS_START). */
const FIRST_FD = 3;
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;
/** FDNAME in the store: kind, device, index. Fixed: an older process may have written it. */
const NAME = /^weft-(tun|udp|bpf|record)-(.+)-(\d{1,4})$/;
const CHECKPOINT_KIND = 'record';
/** The service manager's socket queues few messages (net.unix.max_dgram_qlen). */
const RETRY_MS = 20;
const MAX_RETRIES = 250;

/** The store of one process. Reads LISTEN_* once, at construction. */
export class SystemdDescriptorStore implements DescriptorStore {
  readonly #options: DescriptorStoreOptions;
  readonly #socket: string;
  readonly #inherited = new Map<string, Inherited>();
  /** Memfds with the checkpoints of devices. */
  readonly #checkpoints = new Map<string, number>();
  /** FDNAMEs in the store, by device. */
  readonly #names = new Map<string, Set<string>>();
  #outbox: Message[] = [];
  #retries = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DescriptorStoreOptions) {
    this.#options = options;
    const env = options.env ?? process.env;
    this.#socket = env['NOTIFY_SOCKET'] ?? '';
    this.#inherit(env, options.pid ?? process.pid);
    for (const name of VARIABLES) delete env[name];
  }

  /** Whether no device of an earlier process is left. */
  get isEmpty(): boolean {
    return this.#inherited.size === 0;
  }

  /** Names of devices of an earlier process that were not taken. */
  get unclaimed(): readonly string[] {
    return [...this.#inherited.keys()];
  }

  has(device: string): boolean {
    const { descriptors, isPeeked } = this.#inherited.get(device) ?? {};
    return isPeeked === true || descriptors?.some(({ kind }) => kind === 'tun') === true;
  }

  take(device: string): readonly PathDescriptor[] {
    const { descriptors = [] } = this.#inherited.get(device) ?? {};
    this.#inherited.delete(device);
    return descriptors;
  }

  /** The descriptors of `device`, to be used; the device stays unclaimed until {@link take}. */
  peek(device: string): readonly PathDescriptor[] {
    const descriptors = this.take(device);
    this.#inherited.set(device, { descriptors: [], isPeeked: true });
    return descriptors;
  }

  /** Text of the checkpoint of `device`; unverified, empty if there is none. */
  checkpointOf(device: string): string {
    const fd = this.#checkpoints.get(device);
    if (fd === undefined) return '';
    const bytes = Buffer.alloc(fstatSync(fd).size);
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
  }

  storeCheckpoint(device: string, text: string): void {
    const { openMemoryFile, log } = this.#options;
    if (this.#socket === '' || openMemoryFile === undefined) return;
    try {
      const fd =
        this.#checkpoints.get(device) ?? this.#addCheckpoint(device, openMemoryFile(`weft-${device}`));
      const bytes = Buffer.from(text);
      ftruncateSync(fd, writeSync(fd, bytes, 0, bytes.length, 0));
    } catch (error) {
      log.debug('Cannot store the checkpoint of a device: after a restart it waits for etcd', {
        device,
        error,
      });
    }
  }

  store(device: string, descriptors: readonly PathDescriptor[]): void {
    this.#removeDescriptors(device);
    this.#names.set(device, new Set(descriptors.map((descriptor) => nameOf(device, descriptor))));
    for (const descriptor of descriptors) {
      // Without FDPOLL=0 systemd would drop a socket as soon as it has an ICMP error to report.
      const text = `FDSTORE=1\nFDPOLL=0\nFDNAME=${nameOf(device, descriptor)}`;
      this.#outbox.push({ device, text, fds: [descriptor.fd] });
    }
    this.#flush();
  }

  remove(device: string): void {
    this.#removeDescriptors(device);
    const checkpoint = this.#checkpoints.get(device);
    if (checkpoint === undefined) return;
    this.#checkpoints.delete(device);
    (this.#options.close ?? closeSync)(checkpoint);
    this.#outbox.push({ device, text: `FDSTOREREMOVE=1\nFDNAME=${checkpointName(device)}`, fds: [] });
    this.#flush();
  }

  #removeDescriptors(device: string): void {
    // A descriptor that is not sent yet may be closed, and its number reused, by then.
    this.#outbox = this.#outbox.filter((message) => message.device !== device || message.fds.length === 0);
    for (const name of this.#names.get(device) ?? [])
      this.#outbox.push({ device, text: `FDSTOREREMOVE=1\nFDNAME=${name}`, fds: [] });
    this.#names.delete(device);
    this.#flush();
  }

  /** Closes and removes the devices of an earlier process that were not taken. */
  closeUnclaimed(): void {
    for (const [device, { descriptors }] of this.#inherited) {
      for (const { fd } of descriptors) (this.#options.close ?? closeSync)(fd);
      this.remove(device);
    }
    this.#inherited.clear();
  }

  /** Drops what is not sent. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#outbox = [];
  }

  #inherit(env: Readonly<Record<string, string | undefined>>, pid: number): void {
    if (env['LISTEN_PID'] !== String(pid)) return;
    const count = Number(env['LISTEN_FDS']);
    const names = (env['LISTEN_FDNAMES'] ?? '').split(':');
    for (const [position, name] of names.entries())
      if (position < count) this.#inheritOne(name, FIRST_FD + position);
  }

  /** Ignores names that are not of weft. */
  #inheritOne(name: string, fd: number): void {
    const [, kind, device, index] = NAME.exec(name) ?? [];
    if (device === undefined) return;
    if (kind === CHECKPOINT_KIND) {
      this.#checkpoints.set(device, fd);
      return;
    }
    const descriptor = { kind: kind as PathDescriptor['kind'], index: Number(index), fd };
    const { descriptors = [] } = this.#inherited.get(device) ?? {};
    this.#inherited.set(device, { descriptors: [...descriptors, descriptor], isPeeked: false });
    this.#names.set(device, (this.#names.get(device) ?? new Set()).add(name));
  }

  #addCheckpoint(device: string, fd: number): number {
    this.#checkpoints.set(device, fd);
    this.#outbox.push({ device, text: `FDSTORE=1\nFDPOLL=0\nFDNAME=${checkpointName(device)}`, fds: [fd] });
    this.#flush();
    return fd;
  }

  /** Sends the outbox in order; retries a little later if the socket is full. */
  #flush(): void {
    const { sendDatagram, log } = this.#options;
    if (this.#socket === '' || sendDatagram === undefined) this.#outbox = [];
    while (this.#outbox.length > 0) {
      const { text, fds } = this.#outbox[0]!;
      try {
        sendDatagram!(this.#socket, text, fds);
      } catch (error) {
        if (isFull(error) && this.#retries++ < MAX_RETRIES) return this.#retryLater();
        log.warn('Cannot store descriptors with systemd: the next restart re-creates the device', { error });
        this.#outbox = [];
      }
      this.#outbox.shift();
      this.#retries = 0;
    }
  }

  #retryLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), RETRY_MS).unref();
  }
}

function nameOf(device: string, { kind, index }: PathDescriptor): string {
  return `weft-${kind}-${device}-${index}`;
}

function checkpointName(device: string): string {
  return `weft-${CHECKPOINT_KIND}-${device}-0`;
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}

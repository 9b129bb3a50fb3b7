// Private keys of this host in files, one a generation: flannel's file for epoch 0, and the same
// name with the epoch for others. Reads them, makes missing ones, and passes secrets to the keyring
// alone. Synchronous: a file of 44 bytes, read once.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { WireguardConfig } from '../../allocator/config/config.ts';
import type { WireguardFacts } from '../../backends/backend.ts';
import { replaceFileSync } from '../../lib/replace-file.ts';
import { generateWireguardKey, parseWireguardKey } from '../../lib/wireguard-key.ts';
import type { WireguardKeyring } from '../kernel/wireguard/wireguard-keyring.ts';
import type { WireguardKeySource } from './interface-facts.ts';

/** flannel's. Below /run, a key lives as long as the machine runs. */
export const DEFAULT_KEY_FILE = '/run/flannel/wgkey';
const KEY_MODE = 0o600;
/** Bits of a mode that let others than the owner read. */
const OTHERS = 0o077;

export interface WireguardKeysOptions {
  readonly file: string;
  readonly keyring: Pick<WireguardKeyring, 'addPrivateKey' | 'addPresharedKey'>;
  readonly warn: (message: string) => void;
  /** Default: random. */
  readonly generate?: () => Buffer;
}

export class WireguardKeys implements WireguardKeySource {
  readonly #options: WireguardKeysOptions;
  #publicKeys: Record<number, string> | undefined;
  /** Epochs of keys that were made here, in that order. */
  #made: readonly number[] = [];
  #error: string | undefined;

  constructor(options: WireguardKeysOptions) {
    this.#options = options;
  }

  facts(wanted: WireguardConfig | undefined): WireguardFacts | undefined {
    const known = (this.#publicKeys ??= this.#readAll());
    if (wanted?.psk !== undefined) {
      const psk = parseWireguardKey(wanted.psk.reveal());
      if (psk !== undefined) this.#options.keyring.addPresharedKey(psk);
    }
    if (wanted !== undefined && known[wanted.keyEpoch] === undefined) this.#ensure(known, wanted.keyEpoch);
    if (wanted === undefined && Object.keys(known).length === 0) return undefined;
    return { publicKeys: { ...known }, ...(this.#error !== undefined && { error: this.#error }) };
  }

  /**
   * Removes the keys of all epochs but those of `kept`, which are in force. A key that was made after
   * them stays: it is of a change that is about to begin, and peers may know it already.
   */
  retire(kept: ReadonlySet<number>): void {
    const known = this.#publicKeys ?? {};
    const later = this.#made.slice(this.#made.findLastIndex((epoch) => kept.has(epoch)) + 1);
    for (const epoch of Object.keys(known).map(Number)) {
      if (kept.has(epoch) || later.includes(epoch)) continue;
      delete known[epoch];
      try {
        rmSync(this.#fileOf(epoch), { force: true });
      } catch (error) {
        this.#options.warn(`Cannot remove the former key ${this.#fileOf(epoch)}: ${messageOf(error)}`);
      }
    }
  }

  #ensure(known: Record<number, string>, epoch: number): void {
    try {
      known[epoch] = this.#read(epoch) ?? this.#make(epoch);
      this.#error = undefined;
    } catch (error) {
      this.#error = (error as Error).message;
    }
  }

  /** Keys of an earlier run. A bad file concerns its own epoch, and is an error once that is wanted. */
  #readAll(): Record<number, string> {
    const known: Record<number, string> = {};
    for (const epoch of this.#epochsOnDisk())
      try {
        const key = this.#read(epoch);
        if (key !== undefined) known[epoch] = key;
      } catch {
        // Reported by the epoch that needs it.
      }
    return known;
  }

  #epochsOnDisk(): readonly number[] {
    const { file } = this.#options;
    const name = basename(file);
    try {
      return readdirSync(dirname(file)).flatMap((entry) => {
        if (entry === name) return [0];
        const suffix = entry.startsWith(`${name}.`) ? entry.slice(name.length + 1) : '';
        return /^[1-9]\d{0,9}$/.test(suffix) ? [Number(suffix)] : [];
      });
    } catch {
      return [];
    }
  }

  /** Public key of the file of `epoch`; `undefined` without the file. @throws Error with the remedy. */
  #read(epoch: number): string | undefined {
    const file = this.#fileOf(epoch);
    let text: string;
    try {
      text = readFileSync(file, 'latin1');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new Error(
        `Cannot read the private key of WireGuard in ${file}: ${messageOf(error)}; let the daemon read it (chmod 600, owner root), or name another file with WIREGUARD_KEY_FILE`,
        { cause: error },
      );
    }
    const key = parseWireguardKey(text.trim());
    if (key === undefined)
      throw new Error(
        `Cannot use ${file} as a private key of WireGuard: it is not 32 bytes in base64; remove it, and a new key is made`,
      );
    if ((statSync(file).mode & OTHERS) !== 0)
      this.#options.warn(`${file} is readable by others than its owner: chmod 600 ${file}`);
    return this.#options.keyring.addPrivateKey(key);
  }

  /** Whole or not at all, whatever ends this process. @throws Error with the remedy. */
  #make(epoch: number): string {
    const { generate = generateWireguardKey, keyring } = this.#options;
    const file = this.#fileOf(epoch);
    const key = generate();
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      replaceFileSync(file, key.toString('base64'), KEY_MODE);
    } catch (error) {
      throw new Error(
        `Cannot write a private key of WireGuard to ${file}: ${messageOf(error)}; make the folder writable, or name another file with WIREGUARD_KEY_FILE`,
        { cause: error },
      );
    }
    this.#made = [...this.#made.filter((made) => made !== epoch), epoch];
    return keyring.addPrivateKey(key);
  }

  #fileOf(epoch: number): string {
    return epoch === 0 ? this.#options.file : `${this.#options.file}.${epoch}`;
  }
}

function messageOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}

// Compiled code of scripts, kept in files between processes, so that a start does not compile what
// the one before compiled. V8 itself rejects code of another version of V8 or of other flags. A file
// that is stale, cut off, damaged or of another user costs the time of a compilation, and no more:
// code from it runs with the rights of this process.
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { Script, constants as vmConstants } from 'node:vm';

/** Bits of a mode that let others write. */
const WRITABLE_BY_OTHERS = 0o022;
const ROOT = 0;

interface CachedScript {
  readonly name: string;
  readonly script: Script;
}

export class CodeCache {
  readonly #folder: string | undefined;
  readonly #key: string;
  readonly #owner: number;
  readonly #compiled: CachedScript[] = [];

  /**
   * @param folder - that of `owner` alone, or the cache does nothing; undefined: no cache.
   * @param key - what the texts of {@link compile} depend on: equal keys stand for equal texts.
   */
  constructor(folder: string | undefined, key: string, owner = ROOT) {
    this.#owner = owner;
    this.#folder = folder !== undefined && isTrusted(() => lstatSync(folder), owner) ? folder : undefined;
    this.#key = `${process.version} ${process.arch} ${key}\n`;
  }

  /** A function with the body `text`; `name` is that of its file, and in stack traces. */
  compile(name: string, text: string, parameters: readonly string[]): (...values: unknown[]) => unknown {
    const cachedData = this.#read(name);
    const script = new Script(`(function(${parameters.join()}){${text}\n})`, {
      filename: name,
      importModuleDynamically: vmConstants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      ...(cachedData && { cachedData }),
    });
    if (cachedData === undefined || script.cachedDataRejected === true) this.#compiled.push({ name, script });
    return script.runInThisContext() as (...values: unknown[]) => unknown;
  }

  /**
   * Writes the code of scripts that had none in the cache, with all functions that have run since. Holds this process up
   * once. @returns how many files it wrote. @throws the error of the file system
   */
  save(): number {
    const folder = this.#folder;
    const unsaved = this.#compiled.splice(0);
    // The next process would not read what another user wrote.
    if (folder === undefined || process.geteuid?.() !== this.#owner) return 0;
    for (const { name, script } of unsaved) {
      const data = script.createCachedData();
      const file = join(folder, name);
      const draft = `${file}.${process.pid}`;
      try {
        writeFileSync(draft, Buffer.concat([this.#digest(data), data]), { mode: 0o600 });
        renameSync(draft, file);
      } catch (error) {
        rmSync(draft, { force: true });
        throw error;
      }
    }
    return unsaved.length;
  }

  #read(name: string): Buffer | undefined {
    if (this.#folder === undefined) return undefined;
    let content: Buffer;
    try {
      content = readTrusted(join(this.#folder, name), this.#owner);
    } catch {
      return undefined;
    }
    const digest = this.#digest(content.subarray(DIGEST_BYTES));
    return digest.equals(content.subarray(0, DIGEST_BYTES)) ? content.subarray(DIGEST_BYTES) : undefined;
  }

  /** V8 verifies no sum of the code, and of the text its length alone. */
  #digest(data: Buffer): Buffer {
    return createHash('sha256').update(this.#key).update(data).digest();
  }
}

const DIGEST_BYTES = 32;

function readTrusted(file: string, owner: number): Buffer {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (!isTrusted(() => fstatSync(descriptor), owner)) throw new Error(`${file} is of others as well`);
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function isTrusted(read: () => Stats, owner: number): boolean {
  try {
    const { mode, uid } = read();
    return uid === owner && (mode & WRITABLE_BY_OTHERS) === 0;
  } catch {
    return false;
  }
}

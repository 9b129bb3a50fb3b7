// Which commands of the backend extension ran, in a file below /run: a restart of the daemon repeats
// none, and runs the removal of what it no longer wants. After a boot, and in another network
// namespace, nothing that commands made is left, so that they run again.
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { CommandObject } from '../../../backends/kernel-state.ts';
import { replaceFile } from '../../../lib/replace-file.ts';

export interface CommandRecord extends CommandObject {
  /** The command ended with success. False while it runs, and after a failure: it may have run in part. */
  readonly isDone: boolean;
  /** Failed runs of the removal. */
  readonly failedRemovals: number;
}

/** The output of a command that runs before the others, and the command. */
export interface StartupRecord {
  readonly command: CommandObject;
  readonly output: string;
}

/** Output of a command, or why there is none. */
export type CommandOutput =
  { readonly ok: true; readonly output: string } | { readonly ok: false; readonly message: string };

interface Content {
  readonly version: number;
  readonly boot: string;
  readonly startup?: StartupRecord;
  readonly commands: readonly CommandRecord[];
}

const VERSION = 1;
const MODE = 0o600;
const FOLDER_MODE = 0o755;

/** Beside subnet.env, which outlives the daemon and not the boot. */
export function commandRecordsPath(subnetFile: string): string {
  return join(dirname(subnetFile), `.${basename(subnetFile)}.commands`);
}

export interface CommandRecordsOptions {
  readonly path: string;
  /** Identity of this boot and network namespace. */
  readonly boot: () => Promise<string>;
}

export class CommandRecords {
  readonly bySubject = new Map<string, CommandRecord>();
  startup: StartupRecord | undefined;
  readonly #options: CommandRecordsOptions;
  #boot = '';
  #loaded: Promise<void> | undefined;
  #written: Promise<void> = Promise.resolve();
  #text = '';

  constructor(options: CommandRecordsOptions) {
    this.#options = options;
  }

  /** Reads the file, once. A file that cannot be read counts as empty. */
  load(): Promise<void> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  /** Resolves once the records are on disk as they are now. @throws Error with `code` */
  save(): Promise<void> {
    this.#written = this.#written.catch(() => undefined).then(() => this.#write());
    return this.#written;
  }

  async #load(): Promise<void> {
    this.#boot = await this.#options.boot();
    const text = await readFile(this.#options.path, 'utf8').catch(() => '');
    const content = parse(text);
    if (content === undefined) return;
    this.#text = text;
    const isSameBoot = content.boot === this.#boot;
    for (const record of content.commands)
      this.bySubject.set(record.subject, isSameBoot ? record : { ...record, isDone: false });
    if (isSameBoot) this.startup = content.startup;
  }

  async #write(): Promise<void> {
    const { path } = this.#options;
    const content: Content = {
      version: VERSION,
      boot: this.#boot,
      ...(this.startup && { startup: this.startup }),
      commands: [...this.bySubject.values()],
    };
    const text = `${JSON.stringify(content)}\n`;
    // Several changes at once make one write.
    if (text === this.#text) return;
    await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
    await replaceFile(path, text, MODE);
    this.#text = text;
  }
}

function parse(text: string): Content | undefined {
  try {
    const content = JSON.parse(text) as Content;
    return content.version === VERSION && Array.isArray(content.commands) ? content : undefined;
  } catch {
    return undefined;
  }
}

// All output of commands. What is printed may come from outside (etcd, peers, the kernel, files):
// here, and only here, it is made safe for the terminal. Commands never write to the standard
// streams themselves; a test checks that.
import { escapeControls, escapeDocument, escapeStrings, toPrintableJson } from '../lib/escape.ts';

export interface DataFormat<Data> {
  readonly json: boolean;
  /** Spaces of indentation of the JSON; default 2. 0 prints one line. */
  readonly indent?: number;
  /** Makes the text from a copy of the data whose strings are escaped. */
  readonly text: (safe: Data) => string;
}

/** Prints data, as JSON or as text. Strings inside cannot break lines or move columns. */
export function printData<Data>(data: Data, { json, indent = 2, text }: DataFormat<Data>): void {
  if (json) process.stdout.write(`${toPrintableJson(data, indent)}\n`);
  else printText(text(escapeStrings(data)));
}

/** Prints lines. Only newlines, tabs and colours get through as they are. */
export function printText(text: string): void {
  process.stdout.write(escapeDocument(text));
}

/** Prints texts from outside, one per line. */
export function printLines(lines: readonly string[]): void {
  for (const line of lines) printText(`${escapeControls(line)}\n`);
}

/** Prints lines on standard error, as {@link printText}. */
export function printError(text: string): void {
  process.stderr.write(escapeDocument(text));
}

/** Prints lines in place of those before. */
export function redrawText(text: string): void {
  // Cursor home, clear below: clearing the whole screen first would flicker.
  process.stdout.write(`\u001b[H\u001b[J${escapeDocument(text)}`);
}

/** Prints a file: unchanged into a file or a pipe, escaped on a terminal. */
export function printFile(text: string): void {
  process.stdout.write(process.stdout.isTTY ? escapeDocument(text) : text);
}

/** Prints an archive and waits until it is written. */
export function printBytes(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => process.stdout.write(bytes, () => resolve()));
}

/** One line of a text from outside, for messages and questions. */
export { escapeControls as oneLine };

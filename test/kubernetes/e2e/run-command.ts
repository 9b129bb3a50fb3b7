import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs a command on this machine. @throws if it fails. */
export async function run([file, ...args]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(file!, args)).stdout;
}

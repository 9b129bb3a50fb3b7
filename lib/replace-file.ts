// Replaces a file so that a reader, or a crash at any instruction, sees the old one or the new one.
// Order: temporary file beside the target, fsync, rename, fsync of the folder.
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Makes `target`, no symbolic link, contain `text` with `mode`. Its folder exists.
 * @throws Error with `code`; then nothing is changed and no temporary file is left.
 * `TEMPORARY_IS_DIRECTORY`: the name of the temporary file, `.NAME.weft`, is that of a directory.
 */
export async function replaceFile(target: string, text: string, mode: number): Promise<void> {
  // A fixed name, so that the next run removes the file of a killed one.
  const temporary = join(dirname(target), `.${basename(target)}.weft`);
  await removeFile(temporary);
  try {
    await writeDurably(temporary, text, mode);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(target));
}

/** {@link replaceFile} for programs that end soon after, without the fsync of the folder. */
export function replaceFileSync(target: string, content: string | Buffer, mode: number): void {
  const temporary = join(dirname(target), `.${basename(target)}.weft`);
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', mode);
  try {
    fchmodSync(file, mode);
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, target);
}

async function removeFile(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory() === true) throw Object.assign(new Error(path), { code: 'TEMPORARY_IS_DIRECTORY' });
  await rm(path, { force: true });
}

async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    // The umask has restricted the mode of open(2).
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Best effort: the file is in place, and some file systems cannot sync a folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY).catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

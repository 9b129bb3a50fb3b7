// Reads and writes subnet.env atomically. It does not know the content.
import { mkdir, readFile, realpath, stat, unlink } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { dirname } from 'node:path';
import { WeftError } from '../../api/index.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import { parseSubnetEnv, type PreviousSubnetEnv } from './subnet-env.ts';

const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;
/** A subnet.env has some 200 bytes; a larger file is another one. */
const MAX_BYTES = 65_536;

interface SubnetFileErrorOptions extends ErrorOptions {
  /** Which names the path; default `--subnet-file`. */
  readonly flag?: string;
  /** Default `write`. */
  readonly action?: 'write' | 'remove';
}

/** Why the file cannot be written or removed. The message has path, cause and remedy. */
export class SubnetFileError extends WeftError {
  /** For example `ENOSPC`. */
  readonly errno: string;

  constructor(path: string, errno: string, options: SubnetFileErrorOptions = {}) {
    const { action = 'write' } = options;
    const remedy = (REMEDIES[errno] ?? errno).replace('--subnet-file', options.flag ?? '--subnet-file');
    super('SUBNET_FILE_FAILED', `Cannot ${action} ${path}: ${remedy}`, options);
    this.errno = errno;
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device (ENOSPC); free some, or choose another path with --subnet-file',
  EDQUOT: 'disk quota exceeded (EDQUOT); free some space, or choose another path with --subnet-file',
  EROFS: 'the file system is read-only (EROFS); choose a writable path with --subnet-file',
  EACCES: 'permission denied (EACCES); run as root, or choose a writable path with --subnet-file',
  EPERM: 'operation not permitted (EPERM); run as root, or choose a writable path with --subnet-file',
  EBUSY: 'it is a mount point (EBUSY); mount its folder instead of the file',
  EISDIR: 'it is a directory (EISDIR); choose a file with --subnet-file',
  ENOTDIR: 'a part of the path is no directory (ENOTDIR); correct --subnet-file',
  EINVAL: 'it is a device, pipe or socket, not a regular file; choose another with --subnet-file',
  TEMPORARY_IS_DIRECTORY:
    'its temporary file, .NAME.weft in the same folder, is a directory; remove that directory',
  ELOOP: 'too many symbolic links (ELOOP); correct --subnet-file',
  ENAMETOOLONG: 'the name is too long (ENAMETOOLONG); correct --subnet-file',
};

/**
 * Makes `path` contain `text`. Parent folders are created; an existing file keeps its mode, a new
 * one gets 0644. A symbolic link stays one. Equal content is not written.
 * @param flag - which names the path, for the message.
 * @throws SubnetFileError; then nothing is changed and no temporary file is left
 */
export async function writeSubnetFile(
  path: string,
  text: string,
  flag?: string,
): Promise<'written' | 'unchanged'> {
  try {
    const target = await resolveTarget(path);
    const existing = await statRegularFile(target);
    if (existing !== undefined && existing.size < MAX_BYTES && (await readFile(target, 'utf8')) === text)
      return 'unchanged';
    await mkdir(dirname(target), { recursive: true, mode: FOLDER_MODE });
    await replaceFile(target, text, existing === undefined ? FILE_MODE : existing.mode & 0o7777);
    return 'written';
  } catch (error) {
    throw new SubnetFileError(path, codeOf(error), { cause: error, ...(flag !== undefined && { flag }) });
  }
}

/**
 * Removes the file behind symbolic links; absence is success.
 * @throws SubnetFileError
 */
export async function removeSubnetFile(path: string): Promise<'removed' | 'absent'> {
  try {
    await unlink(await realpath(path));
    return 'removed';
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'absent';
    throw new SubnetFileError(path, codeOf(error), { cause: error, action: 'remove' });
  }
}

/** Reads the file of a previous run. Errors are problems in the result, never exceptions. */
export async function readSubnetFile(path: string): Promise<PreviousSubnetEnv> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) return { problems: [`${path} is not a regular file; ignored`] };
    if (stats.size > MAX_BYTES)
      return { problems: [`${path} has ${stats.size} bytes, more than a subnet file has; ignored`] };
    const parsed = parseSubnetEnv(await readFile(path, 'utf8'));
    return { ...parsed, problems: parsed.problems.map((problem) => `${path}: ${problem}`) };
  } catch (error) {
    const code = codeOf(error);
    return { problems: code === 'ENOENT' ? [] : [`Cannot read ${path}: ${code}; ignored`] };
  }
}

/** The target of symbolic links; the path itself if it does not exist. */
async function resolveTarget(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return path;
    throw error;
  }
}

/** Rejects devices: a rename over /dev/null would replace it for the whole host. */
async function statRegularFile(path: string): Promise<Stats | undefined> {
  try {
    const stats = await stat(path);
    if (stats.isFile()) return stats;
    throw Object.assign(new Error('not a regular file'), { code: stats.isDirectory() ? 'EISDIR' : 'EINVAL' });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

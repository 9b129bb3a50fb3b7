// A tar archive (POSIX ustar) of texts and files in memory. Pure.

export interface TarFile {
  /** Path within the archive, at most 100 bytes. */
  readonly path: string;
  readonly text: string | Buffer;
}

const BLOCK_BYTES = 512;

/**
 * The archive, all files with mode 0600 and of user root.
 * @throws RangeError for a path that is too long.
 */
export function tar(files: readonly TarFile[], modifiedSec: number): Buffer {
  const parts = files.flatMap(({ path, text }) => {
    const body = typeof text === 'string' ? Buffer.from(text) : text;
    const padding = Buffer.alloc((BLOCK_BYTES - (body.length % BLOCK_BYTES)) % BLOCK_BYTES);
    return [header(path, body.length, modifiedSec), body, padding];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK_BYTES)]);
}

function header(path: string, size: number, modifiedSec: number): Buffer {
  if (Buffer.byteLength(path) > 100) throw new RangeError(`${path} is too long for a name in a tar archive`);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  const fields: readonly (readonly [offset: number, text: string])[] = [
    [0, path],
    [100, octal(0o600, 7)],
    [108, octal(0, 7)],
    [116, octal(0, 7)],
    [124, octal(size, 11)],
    [136, octal(modifiedSec, 11)],
    // The sum is taken with spaces in its own place.
    [148, ' '.repeat(8)],
    [156, '0'],
    [257, 'ustar\u000000'],
    [265, 'root'],
    [297, 'root'],
  ];
  for (const [offset, text] of fields) block.write(text, offset, 'latin1');
  block.write(path, 0, 'utf8');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

// subnet.env on disks that refuse it: full, without inodes, read-only. Each is a file system of its own, mounted in a
// namespace that ends with the child process.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

const MODULE = new URL('../daemon/subnet-file/subnet-file.js', import.meta.url).href;
/** The runner has made this process root of a namespace. */
const NAMESPACE = ['--mount'];

/** Writes a file of 20 kB over one of 1 kB, then prints the error and what is in the folder. */
const SCRIPT = `
  const { readdirSync, readFileSync } = await import('node:fs');
  const { writeSubnetFile } = await import('${MODULE}');
  const error = await writeSubnetFile('/mnt/subnet.env', 'x'.repeat(20000)).catch((error) => error);
  const text = readFileSync('/mnt/subnet.env', 'utf8');
  console.log(JSON.stringify({ code: error.errno, message: error.message, files: readdirSync('/mnt'), size: text.length }));
`;

describe('subnet file on a disk that refuses it', () => {
  const prepare = 'mount -t tmpfs -o size=16k,nr_inodes=9 x /mnt && head -c 1000 /dev/zero > /mnt/subnet.env';
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ['is full', prepare, 'ENOSPC', /^Cannot write \/mnt\/subnet\.env: no space left .*--subnet-file$/],
    ['is out of inodes', `${prepare}; mount -o remount,nr_inodes=2 /mnt`, 'ENOSPC', /no space left/],
    ['is read-only', `${prepare}; mount -o remount,ro /mnt`, 'EROFS', /file system is read-only/],
  ];
  for (const [name, commands, code, message] of cases)
    it(`keeps the old one and leaves no other file when the disk ${name}`, () => {
      const script = `${commands}; exec "$0" --input-type=module -e "$1"`;
      const child = spawnSync('unshare', [...NAMESPACE, 'sh', '-ec', script, process.execPath, SCRIPT], {
        encoding: 'utf8',
      });
      assert.equal(child.status, 0, child.stderr);
      const result = JSON.parse(child.stdout) as {
        code: string;
        message: string;
        files: string[];
        size: number;
      };
      assert.equal(result.code, code);
      assert.match(result.message, message);
      assert.deepEqual(result.files, ['subnet.env']);
      assert.equal(result.size, 1000);
    });
});

import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SubnetFileError, readSubnetFile, writeSubnetFile } from './subnet-file.ts';

describe('the subnet file', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-subnet-file-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

  it('is created with its folders and mode 0644 under every umask', async () => {
    const path = join(folder, 'a/b/subnet.env');
    const umask = process.umask(0o027);
    try {
      assert.equal(await writeSubnetFile(path, 'x\n'), 'written');
    } finally {
      process.umask(umask);
    }
    assert.equal(readFileSync(path, 'utf8'), 'x\n');
    assert.equal(modeOf(path), '644');
    assert.deepEqual(readdirSync(join(folder, 'a/b')), ['subnet.env']);
  });

  it('keeps its mode', async () => {
    const path = join(folder, 'subnet.env');
    writeFileSync(path, 'old');
    chmodSync(path, 0o600);
    await writeSubnetFile(path, 'new');
    assert.equal(readFileSync(path, 'utf8'), 'new');
    assert.equal(modeOf(path), '600');
  });

  it('is not written if it has the text', async () => {
    const path = join(folder, 'subnet.env');
    await writeSubnetFile(path, 'same');
    const before = statSync(path).ino;
    assert.equal(await writeSubnetFile(path, 'same'), 'unchanged');
    assert.equal(statSync(path).ino, before);
  });

  it('is replaced, never written in place', async () => {
    const path = join(folder, 'subnet.env');
    await writeSubnetFile(path, 'old');
    const before = statSync(path).ino;
    await writeSubnetFile(path, 'new');
    assert.notEqual(statSync(path).ino, before);
  });

  it('stays behind a symbolic link', async () => {
    const link = join(folder, 'link.env');
    symlinkSync(join(folder, 'real.env'), link);
    writeFileSync(join(folder, 'real.env'), 'old');
    await writeSubnetFile(link, 'new');
    assert.equal(readlinkSync(link), join(folder, 'real.env'));
    assert.equal(readFileSync(join(folder, 'real.env'), 'utf8'), 'new');
  });

  it('removes the temporary file of a killed run', async () => {
    writeFileSync(join(folder, '.subnet.env.weft'), 'half');
    await writeSubnetFile(join(folder, 'subnet.env'), 'complete');
    assert.deepEqual(readdirSync(folder), ['subnet.env']);
  });

  const rejected: readonly [string, (folder: string) => string, string, RegExp][] = [
    ['a directory', (at) => at, 'EISDIR', /it is a directory .*--subnet-file/],
    [
      'a file whose temporary name is a directory',
      (at) => (mkdirSync(join(at, '.subnet.env.weft')), join(at, 'subnet.env')),
      'TEMPORARY_IS_DIRECTORY',
      /its temporary file, \.NAME\.weft in the same folder, is a directory; remove that directory$/,
    ],
    ['a device', () => '/dev/null', 'EINVAL', /not a regular file/],
    [
      'a file as folder',
      (at) => (writeFileSync(join(at, 'f'), ''), join(at, 'f/subnet.env')),
      'ENOTDIR',
      /no directory/,
    ],
    [
      'links in a circle',
      (at) => (symlinkSync('x', join(at, 'x')), join(at, 'x')),
      'ELOOP',
      /symbolic links/,
    ],
    ['a name that is too long', (at) => join(at, 'n'.repeat(300)), 'ENAMETOOLONG', /too long/],
  ];
  for (const [name, make, code, message] of rejected)
    it(`is not written to ${name}`, async () => {
      const path = make(folder);
      const before = readdirSync(folder);
      await assert.rejects(writeSubnetFile(path, 'x'), (error) => {
        assert.ok(error instanceof SubnetFileError);
        assert.equal(error.errno, code);
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(`Cannot write ${path}: `));
        return true;
      });
      assert.deepEqual(readdirSync(folder), before);
    });

  it('is read with the path in each problem', async () => {
    const path = join(folder, 'subnet.env');
    writeFileSync(path, 'FLANNEL_SUBNET=10.5.72.1/24\n???\n');
    const { subnets, problems } = await readSubnetFile(path);
    assert.deepEqual(subnets, { ipv4: '10.5.72.0/24' });
    assert.deepEqual(problems, [`${path}: line 2 is not KEY=VALUE: "???"`]);
  });

  it('may be missing, a folder, or too large', async () => {
    assert.deepEqual(await readSubnetFile(join(folder, 'nope')), { problems: [] });
    assert.match((await readSubnetFile(folder)).problems[0] ?? '', /not a regular file/);
    mkdirSync(join(folder, 'd'));
    writeFileSync(join(folder, 'd/big'), Buffer.alloc(100_000));
    assert.match((await readSubnetFile(join(folder, 'd/big'))).problems[0] ?? '', /100000 bytes/);
  });
});

/** Calls of node:fs/promises that a write makes, in order; `fail` names one that is rejected. */
async function callsOf(write: () => Promise<unknown>, fail?: string): Promise<string[]> {
  const { open, rename } = fs;
  const calls: string[] = [];
  const call = async <Result>(name: string, run: () => Promise<Result>): Promise<Result> => {
    calls.push(name);
    if (name === fail) throw Object.assign(new Error(name), { code: 'EIO' });
    return run();
  };
  fs.rename = (from, to) => call('rename', () => rename(from, to));
  fs.open = async (path, ...rest) => {
    const handle = await open(path, ...rest);
    const kind = (await handle.stat()).isDirectory() ? 'folder' : 'file';
    for (const method of ['writeFile', 'chmod', 'sync', 'close'] as const) {
      const original = handle[method].bind(handle) as (...args: unknown[]) => Promise<never>;
      handle[method] = (...args: unknown[]) => call(`${method} ${kind}`, () => original(...args));
    }
    return handle;
  };
  syncBuiltinESMExports();
  try {
    await write();
  } finally {
    Object.assign(fs, { open, rename });
    syncBuiltinESMExports();
  }
  return calls;
}

describe('a write of subnet.env', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'weft-durable-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is on disk before the old file goes, and its name afterwards', async () => {
    const calls = await callsOf(() => writeSubnetFile(join(folder, 'subnet.env'), 'x'));
    assert.deepEqual(calls, [
      'chmod file',
      'writeFile file',
      'sync file',
      'close file',
      'rename',
      'sync folder',
      'close folder',
    ]);
  });

  for (const step of ['chmod file', 'writeFile file', 'sync file', 'rename'])
    it(`keeps the old file if ${step} fails`, async () => {
      const path = join(folder, 'subnet.env');
      writeFileSync(path, 'old');
      const write = callsOf(() => writeSubnetFile(path, 'new'), step);
      await assert.rejects(write, { code: 'SUBNET_FILE_FAILED', errno: 'EIO' });
      assert.deepEqual([readFileSync(path, 'utf8'), readdirSync(folder)], ['old', ['subnet.env']]);
    });

  it('succeeds on a file system that cannot sync a folder', async () => {
    const path = join(folder, 'subnet.env');
    await callsOf(() => writeSubnetFile(path, 'new'), 'sync folder');
    assert.equal(readFileSync(path, 'utf8'), 'new');
  });
});

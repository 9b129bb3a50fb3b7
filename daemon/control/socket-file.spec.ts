import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFile } from './file-lock.ts';
import { ControlSocketError, listenAt } from './socket-file.ts';

describe('the file of the control socket', () => {
  let folder = '';
  let path = '';
  const servers: Server[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-socket-'));
    path = join(folder, 'run/weft.sock');
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    rmSync(folder, { recursive: true });
  });

  function newServer(greeting = ''): Server {
    const server = createServer((socket) => socket.on('error', () => undefined).end(greeting));
    servers.push(server);
    return server;
  }

  function greetingAt(at: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      connect(at)
        .on('data', (chunk) => (text += chunk.toString()))
        .on('end', () => resolve(text))
        .on('error', reject);
    });
  }

  /** Leaves a socket file without a listener, as a killed process does. */
  function leaveDeadSocket(): void {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync('mkdir', ['-p', join(folder, 'run')]);
    spawnSync(process.execPath, ['-e', script]);
    assert.ok(existsSync(path));
  }

  it('is created with its folder and mode 0600, and leaves no other file', async () => {
    await listenAt(newServer('here'), path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(await greetingAt(path), 'here');
    assert.deepEqual(readdirSync(join(folder, 'run')), ['weft.sock']);
  });

  it('replaces the socket of a dead process', async () => {
    leaveDeadSocket();
    await listenAt(newServer('second'), path);
    assert.equal(await greetingAt(path), 'second');
    assert.deepEqual(readdirSync(join(folder, 'run')), ['weft.sock']);
  });

  it('does not replace the socket of a live process', async () => {
    await listenAt(newServer('first'), path);
    await assert.rejects(listenAt(newServer('second'), path), (error: ControlSocketError) => {
      assert.ok(error.isTaken);
      assert.match(error.message, /Another weft daemon answers on .*weft\.sock: stop it, or/);
      return true;
    });
    assert.equal(await greetingAt(path), 'first');
    assert.deepEqual(readdirSync(join(folder, 'run')), ['weft.sock']);
  });

  it('belongs to exactly one of many processes that start at once', async () => {
    for (const hasDead of [true, false]) {
      rmSync(join(folder, 'run'), { recursive: true, force: true });
      if (hasDead) leaveDeadSocket();
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) => listenAt(newServer(String(index)), path)),
      );
      const winners = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [String(index)] : []));
      assert.equal(winners.length, 1);
      assert.equal(await greetingAt(path), winners[0]);
      assert.deepEqual(readdirSync(join(folder, 'run')), ['weft.sock']);
    }
  });

  it('is created although another process binds the abstract name of a lock', async () => {
    const name = `\0weft-control-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`;
    const stranger = newServer();
    await new Promise<void>((resolve) => stranger.listen(name, resolve));
    await listenAt(newServer('here'), path);
    assert.equal(await greetingAt(path), 'here');
  });

  it('is created after a process was killed while it held the lock and listened', async () => {
    leaveDeadSocket();
    renameSync(path, `${path}.0123abcd`);
    writeFileSync(`${path}.lock`, '', { mode: 0o600 });
    writeFileSync(`${path}.89abcdef`, 'no socket');
    await listenAt(newServer('here'), path);
    assert.equal(await greetingAt(path), 'here');
    assert.deepEqual(readdirSync(join(folder, 'run')), ['weft.sock', 'weft.sock.89abcdef']);
  });

  it('waits for the lock, which other users cannot open, and names it', async () => {
    const unlock = await lockFile(`${path.replace('run/', '')}.lock`);
    const file = join(folder, 'weft.sock.lock');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const second = lockFile(file);
    await unlock();
    await (
      await second
    )();
    assert.ok(!existsSync(file));
    symlinkSync('/etc/hostname', file);
    await assert.rejects(
      listenAt(newServer(), join(folder, 'weft.sock')),
      /Cannot create the control socket .*weft\.sock: its lock, .* is a symbolic link; remove it$/,
    );
  });

  it('is removed only by the process that created it', async () => {
    const removeFirst = await listenAt(newServer('first'), path);
    rmSync(path);
    const removeSecond = await listenAt(newServer('second'), path);
    await removeFirst();
    assert.equal(await greetingAt(path), 'second');
    await removeSecond();
    assert.ok(!existsSync(path));
  });

  it('does not replace a file that is not a socket', async () => {
    spawnSync('mkdir', ['-p', join(folder, 'run')]);
    writeFileSync(path, 'precious');
    await assert.rejects(
      listenAt(newServer(), path),
      /exists and is not a socket; remove it, or choose another/,
    );
    assert.ok(statSync(path).isFile());
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['weft.sock', /must be an absolute path/],
    ['/run/weft/', /must be an absolute path of a file/],
    [`/tmp/${'x'.repeat(120)}`, /has 125 bytes, more than the 98 of a socket path; choose a shorter one/],
    ['/proc/version/weft.sock', /Cannot create the control socket \/proc\/version\/weft\.sock: /],
  ];
  for (const [bad, message] of wrong)
    it(`is rejected as ${bad.slice(0, 30)}`, async () => {
      await assert.rejects(listenAt(newServer(), bad), message);
    });
});

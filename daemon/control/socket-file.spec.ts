import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

  /** Leaves a socket file that nobody listens to, as a killed process does. */
  function leaveDeadSocket(): void {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync('mkdir', ['-p', join(folder, 'run')]);
    spawnSync(process.execPath, ['-e', script]);
    assert.ok(existsSync(path));
  }

  it('is made with its folder, for its user alone, and alone in it', async () => {
    await listenAt(newServer('here'), path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(await greetingAt(path), 'here');
    assert.deepEqual(readdirSync(join(folder, 'run')), ['weft.sock']);
  });

  it('is taken over from a process that died', async () => {
    leaveDeadSocket();
    await listenAt(newServer('second'), path);
    assert.equal(await greetingAt(path), 'second');
    assert.deepEqual(readdirSync(join(folder, 'run')), ['weft.sock']);
  });

  it('is left to a process that lives', async () => {
    await listenAt(newServer('first'), path);
    await assert.rejects(listenAt(newServer('second'), path), (error: ControlSocketError) => {
      assert.ok(error.isTaken);
      assert.match(error.message, /Another weft daemon answers on .*weft\.sock: stop it, or/);
      return true;
    });
    assert.equal(await greetingAt(path), 'first');
    assert.deepEqual(readdirSync(join(folder, 'run')), ['weft.sock']);
  });

  it('goes to exactly one of many that start at once, dead socket or not', async () => {
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

  it('is removed by its own process, but not if it is another’s by then', async () => {
    const removeFirst = await listenAt(newServer('first'), path);
    rmSync(path);
    const removeSecond = await listenAt(newServer('second'), path);
    await removeFirst();
    assert.equal(await greetingAt(path), 'second');
    await removeSecond();
    assert.ok(!existsSync(path));
  });

  it('does not replace what is no socket', async () => {
    spawnSync('mkdir', ['-p', join(folder, 'run')]);
    writeFileSync(path, 'precious');
    await assert.rejects(
      listenAt(newServer(), path),
      /exists and is no socket; remove it, or choose another/,
    );
    assert.ok(statSync(path).isFile());
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['weft.sock', /must be an absolute path/],
    ['/run/weft/', /must be an absolute path of a file/],
    [`/tmp/${'x'.repeat(120)}`, /has 125 bytes, and a socket can have 98; choose a shorter path/],
    ['/proc/version/weft.sock', /Cannot make the control socket \/proc\/version\/weft\.sock: /],
  ];
  for (const [bad, message] of wrong)
    it(`is refused as ${bad.slice(0, 30)}`, async () => {
      await assert.rejects(listenAt(newServer(), bad), message);
    });
});

// Runs against servers that write raw HTTP, for answers that a real daemon cannot give.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlClient, NoDaemonError, RejectedError } from './control-client.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';

describe('the client of the control socket', () => {
  let folder = '';
  let path = '';
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let received = '';

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-client-'));
    path = join(folder, 'weft.sock');
  });
  after(() => rmSync(folder, { recursive: true }));
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
    server = undefined;
  });

  /**
   * Answers every request with `parts`, one write each, then closes the connection unless `isOpen`.
   */
  async function answerWith(parts: readonly string[], isOpen = false): Promise<ControlClient> {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('data', (data) => {
        received = data.toString();
        writeParts(socket, parts, isOpen);
      });
    });
    await new Promise<void>((resolve) => server!.listen(path, resolve));
    return new ControlClient(path);
  }

  it('reads an answer that arrives in pieces, within characters too', async () => {
    const body = Buffer.from('{"a":"ä"}');
    const head = `${OK}Content-Length: ${body.length}\r\n\r\n`;
    const client = await answerWith((head + body.toString('latin1')).split(''));
    assert.deepEqual(await client.request('status'), { a: 'ä' });
    assert.match(received, /^GET \/v1\/status HTTP\/1\.0\r\n/);
  });

  it('sends a body with its length', async () => {
    const client = await answerWith([`${OK}\r\n{}`]);
    await client.request('log-level', { method: 'PUT', body: { level: 'ä' } });
    assert.match(received, /^PUT [^]*\r\nContent-Length: 14\r\n\r\n\{"level":"/);
  });

  it('follows a stream line by line until it ends', async () => {
    const client = await answerWith([`${OK}\r\n{"n":1}\n{"n`, '":2}\n']);
    const lines: unknown[] = [];
    for await (const line of client.follow('events')) lines.push(line);
    assert.deepEqual(lines, [{ n: 1 }, { n: 2 }]);
  });

  it('throws a rejection with its code', async () => {
    const rejection = '{"error":{"code":"not-found","message":"There is no /v1/x"}}';
    const client = await answerWith([`HTTP/1.1 404 Not Found\r\n\r\n${rejection}`]);
    await assert.rejects(client.request('x'), (error: RejectedError) => {
      assert.deepEqual([error.rejection, error.message], ['not-found', 'There is no /v1/x']);
      return true;
    });
  });

  const invalid: readonly (readonly [what: string, parts: readonly string[], message: RegExp])[] = [
    ['no HTTP', ['SSH-2.0-OpenSSH_9.2\r\n'], /is no weft daemon: "SSH-2\.0/],
    ['no JSON', [`${OK}\r\n<html>`], /is no weft daemon: "<html>"/],
    ['nothing', [], /the connection ended before an answer/],
    ['half an answer', [`${OK}Content-Length: 100\r\n\r\n{"a":`], /the connection ended within the answer/],
    ['a head without end', [OK, 'X: '.padEnd(20_000, 'x')], /is no weft daemon/],
  ];
  for (const [what, parts, message] of invalid)
    it(`reports ${what} in one line`, async () => {
      const client = await answerWith(parts);
      await assert.rejects(client.request('status'), { name: NoDaemonError.name, message });
    });

  it('waits for the first byte of an answer no longer than its time limit', async () => {
    const client = await answerWith([], true);
    const message = /does not answer within 0\.05 s: it is stopped or overloaded/;
    await assert.rejects(client.request('status', { timeoutMs: 50 }), { name: NoDaemonError.name, message });
  });
});

function writeParts(socket: Socket, [part, ...rest]: readonly string[], isOpen: boolean): void {
  if (part !== undefined) socket.write(part, 'latin1', () => writeParts(socket, rest, isOpen));
  else if (!isOpen) socket.end();
}

// Connections of weft-cni to the daemon: what they get, how many there may be, and what ends one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrame, FrameReader, type Frame } from './frames.ts';
import { MAX_SESSIONS, serveCni } from './session.ts';

const HEAD_END = '\r\n\r\n';

describe('a connection of weft-cni', () => {
  let folder: string;
  let server: Server;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'weft-cni-session-'));
    // As those of an HTTP server.
    server = createServer({ allowHalfOpen: true }, (socket) => serveCni(socket, Buffer.alloc(0)));
    server.listen(join(folder, 'socket'));
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
    await once(server, 'close');
    rmSync(folder, { recursive: true });
  });

  async function open(): Promise<{ readonly socket: Socket; readonly head: string }> {
    const socket = connect(join(folder, 'socket'));
    sockets.push(socket);
    const [head] = (await once(socket, 'data')) as [Buffer];
    return { socket, head: head.toString() };
  }
  async function receive(socket: Socket): Promise<Frame> {
    const reader = new FrameReader();
    for (;;) {
      const frame = reader.next();
      if (frame !== undefined) return frame;
      reader.push((await once(socket, 'data'))[0] as Buffer);
    }
  }
  const request = (input: string, ...variables: readonly string[]): Buffer =>
    encodeFrame({ operation: 'q', fields: [input, ...variables] });

  it('gets the answer to a command that needs nothing of the host', async () => {
    const { head, socket } = await open();
    assert.match(head, /^HTTP\/1\.1 101 /);
    assert.ok(head.endsWith(HEAD_END));
    socket.write(request('{"cniVersion":"0.4.0"}', 'CNI_COMMAND=VERSION', 'PATH=/x'));
    const { fields, operation } = await receive(socket);
    assert.deepEqual([operation, fields[0]], ['a', '0']);
    assert.match(fields[1]!, /^\{"cniVersion":"0\.4\.0"/);
  });

  it('gets steps, and is answered with the error of one', async () => {
    const { socket } = await open();
    const names = ['CONTAINERID=a', 'IFNAME=eth0', 'NETNS=/n', 'PATH=/p', 'COMMAND=ADD'];
    const config = '{"cniVersion":"1.0.0","name":"net","dataDir":"/d","subnetFile":"/s"}';
    socket.write(request(config, ...names.map((name) => `CNI_${name}`)));
    assert.deepEqual(await receive(socket), { operation: 'r', fields: ['/d/a'] });
    socket.write(encodeFrame({ operation: 'e', fields: ['2', 'open', '/d/a', ''] }));
    assert.deepEqual(await receive(socket), { operation: 'r', fields: ['/s'] });
    socket.write(encodeFrame({ operation: 'e', fields: ['13', 'open', '/s', ''] }));
    const { fields } = await receive(socket);
    assert.deepEqual(
      [fields[0], JSON.parse(fields[1]!)],
      ['1', { cniVersion: '1.0.0', code: 5, msg: "Cannot read /s: EACCES: permission denied, open '/s'" }],
    );
  });

  for (const [what, bytes] of [
    ['a message that is too long', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['a field beyond its message', Buffer.from([0, 0, 0, 6, 0x71, 0, 0, 0, 9, 0])],
    [
      'a path that no system call takes',
      request(
        '{"cniVersion":"1.0.0","name":"n","subnetFile":"/a\\u0000"}',
        'CNI_COMMAND=STATUS',
        'CNI_PATH=/p',
      ),
    ],
  ] as const)
    it(`ends with ${what}`, async () => {
      const { socket } = await open();
      socket.write(bytes);
      socket.resume();
      await once(socket, 'close');
    });

  it('is rejected while there are too many, until another ends', async () => {
    const served = await Promise.all(Array.from({ length: MAX_SESSIONS }, open));
    assert.ok(served.every(({ head }) => head.startsWith('HTTP/1.1 101 ')));
    assert.match((await open()).head, /^HTTP\/1\.1 503 /);
    served[0]!.socket.end();
    await once(served[0]!.socket, 'close');
    assert.match((await open()).head, /^HTTP\/1\.1 101 /);
  });
});

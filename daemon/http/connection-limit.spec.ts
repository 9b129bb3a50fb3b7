import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { waitFor } from '../../lab/wait.ts';
import { isFromThisHost, limitConnections, type ConnectionLimits } from './connection-limit.ts';
import { listenHttp } from './http-listener.ts';
import { NO_REQUEST_CHECK } from './request-timeout.ts';

const HALF = 'GET / HTTP/1.1\r\nHost: h';
const WHOLE = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n';

describe('the connection limit', () => {
  let server: Server | undefined;
  let port = 0;
  const sockets = new Set<Socket>();

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    server?.close();
    server?.closeAllConnections();
    server = undefined;
  });

  async function listen(limits: ConnectionLimits, handler: RequestListener): Promise<void> {
    server = createServer({ ...NO_REQUEST_CHECK, keepAliveTimeout: 60_000 }, handler);
    const hold = limitConnections(server, limits);
    server.on('upgrade', (_request, socket: Socket) => {
      hold(socket);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  }

  async function open(sent: string, localAddress = '127.0.0.1'): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    sockets.add(socket);
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    socket.write(sent);
    return socket;
  }

  function closed(socket: Socket): Promise<unknown> {
    return waitFor('the connection closes', () => socket.destroyed);
  }

  function answered(socket: Socket): Promise<unknown> {
    return waitFor('an answer arrives', () => socket.bytesRead > 0);
  }

  async function ask(): Promise<string> {
    const [response] = (await once(get({ host: '127.0.0.1', port, agent: false }), 'response')) as [
      NodeJS.ReadableStream,
    ];
    return text(response);
  }

  const answer: RequestListener = (_request, response) => response.end('answer');
  const never: RequestListener = (_request, response) => response.write('first');

  it('leaves room beside hundreds of half-sent requests that are opened again', async () => {
    const listener = await listenHttp(
      { ip: '127.0.0.1', port: 0, title: 'Server', flag: 'healthz' },
      (_request, response) => response.end('answer'),
    );
    port = listener.port;
    let isFlooding = true;
    const flood = async (): Promise<void> => {
      if (!isFlooding) return;
      const socket = await open(HALF, '127.0.0.2');
      socket.once('close', () => {
        if (sockets.delete(socket)) setTimeout(() => void flood().catch(() => undefined), 50).unref();
      });
    };
    await Promise.all(Array.from({ length: 160 }, flood));
    try {
      for (let probe = 0; probe < 20; probe++) assert.equal(await ask(), 'answer');
    } finally {
      isFlooding = false;
      await listener.stop();
    }
  });

  it('closes the connection that has waited longest for a request', async () => {
    await listen({ maxConnections: 2 }, answer);
    const [first, second] = [await open(HALF), await open(HALF)];
    await open(HALF);
    await closed(first);
    assert.equal(second.destroyed, false);
  });

  it('counts the wait of a connection from its last answer', async () => {
    await listen({ maxConnections: 2 }, answer);
    const used = await open('');
    const idle = await open('');
    used.write(WHOLE);
    await answered(used);
    await open('');
    await closed(idle);
    assert.equal(used.destroyed, false);
  });

  it('never ends an answer to this host', async () => {
    await listen({ maxConnections: 2 }, never);
    const busy = [await open(WHOLE), await open(WHOLE)];
    await Promise.all(busy.map(answered));
    await closed(await open(WHOLE));
    assert.deepEqual(
      busy.map(({ destroyed }) => destroyed),
      [false, false],
    );
  });

  it('closes connections of other hosts first, with an answer too', async () => {
    let opened = 0;
    await listen({ maxConnections: 2, isLocal: () => opened++ === 0 }, never);
    const own = await open(HALF);
    const stranger = await open(WHOLE);
    await answered(stranger);
    await open(HALF);
    await closed(stranger);
    assert.equal(own.destroyed, false);
  });

  it('keeps an upgraded connection, which gets an answer as well', async () => {
    await listen({ maxConnections: 2 }, answer);
    const upgraded = await open('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    await answered(upgraded);
    const waiting = await open(HALF);
    assert.equal(await ask(), 'answer');
    await closed(waiting);
    assert.equal(upgraded.destroyed, false);
  });

  it('closes a connection whose client does not read its answer in time', async () => {
    await listen({ maxConnections: 2, answerTimeoutMs: 30 }, never);
    await closed(await open(WHOLE));
    let count = 1;
    await waitFor('the server has closed it', async () => {
      count = await new Promise((resolve) => server!.getConnections((_error, value) => resolve(value)));
      return count === 0;
    });
  });

  const clients: readonly (readonly [remote: string | undefined, isLocal: boolean])[] = [
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['198.18.1.1', true],
    [undefined, true],
    ['198.18.1.2', false],
    ['::ffff:198.18.1.2', false],
    ['fd00::127.0.0.1', false],
  ];
  for (const [remote, isLocal] of clients)
    it(`takes ${remote} for ${isLocal ? 'this host' : 'another host'}`, () => {
      const socket = { localAddress: '198.18.1.1', remoteAddress: remote };
      assert.equal(isFromThisHost(socket), isLocal);
    });
});

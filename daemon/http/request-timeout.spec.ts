import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { limitRequestTime, NO_REQUEST_CHECK } from './request-timeout.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n';

describe('the request timeout', () => {
  let server: Server;
  const sockets: Socket[] = [];

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
    server.closeAllConnections();
  });

  async function listen(limitMs: number, handler: RequestListener): Promise<number> {
    server = createServer({ ...NO_REQUEST_CHECK, keepAliveTimeout: 60_000 }, handler);
    limitRequestTime(server, limitMs);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  function open(port: number): Socket {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    return socket;
  }

  it('closes a connection without a request and one with half a request', async () => {
    const port = await listen(50, (_request, response) => response.end('answer'));
    for (const request of ['', 'GET / HTTP/1.1\r\nHost: h']) {
      const socket = open(port);
      socket.write(request);
      assert.match(await text(socket), /^HTTP\/1\.1 408 /);
    }
  });

  it('closes a connection that is idle after an answer', async () => {
    const port = await listen(1000, (_request, response) => response.end('answer'));
    const socket = open(port);
    socket.write(REQUEST);
    assert.match(await text(socket), /^HTTP\/1\.1 200 [^]*answer[^]*HTTP\/1\.1 408 /);
  });

  it('does not limit the time of an answer', async () => {
    const answerMs = 1500;
    const port = await listen(1000, (_request, response) => setTimeout(() => response.end('late'), answerMs));
    const [response] = await once(get({ host: '127.0.0.1', port }), 'response');
    assert.equal(await text(response), 'late');
  });

  it('leaves an exempt connection alone', async () => {
    server = createServer(NO_REQUEST_CHECK);
    const exempt = limitRequestTime(server, 50);
    const limitMs = 200;
    server.on('upgrade', (_request, socket: Socket) => {
      exempt(socket);
      setTimeout(() => socket.end('later'), limitMs);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = open((server.address() as AddressInfo).port);
    socket.write('GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    assert.equal(await text(socket), 'later');
  });
});

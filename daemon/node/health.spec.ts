import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { startHealthServer, type Readiness } from './health.ts';
import { HttpListenerError, type HttpListener } from '../http/http-listener.ts';

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

async function ask(server: HttpListener, path: string, host = '127.0.0.1', agent?: Agent): Promise<Answer> {
  const request = get({ host, port: server.port, path, ...(agent && { agent }) });
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  const chunks = await response.toArray();
  return {
    status: response.statusCode,
    type: response.headers['content-type'],
    body: Buffer.concat(chunks as Buffer[]).toString(),
  };
}

describe('health server', () => {
  let readiness: () => Readiness;
  let server: HttpListener;
  beforeEach(async () => {
    readiness = () => ({ isReady: true, reasons: [] });
    server = await startHealthServer({ ip: '127.0.0.1', port: 0, readiness: () => readiness() });
  });
  afterEach(() => server.stop());

  const notYet: Readiness = { isReady: false, reasons: ['etcd: no answer', '2 peers failed'] };
  const cases: readonly [string, Readiness | undefined, number, string][] = [
    ['/healthz', undefined, 200, 'flanneld is running'],
    ['/healthz?x', undefined, 200, 'flanneld is running'],
    ['/readyz', { isReady: true, reasons: [] }, 200, 'flanneld is ready'],
    ['/readyz', notYet, 503, 'flanneld is not ready yet'],
    ['/readyz?verbose', notYet, 503, 'flanneld is not ready yet\netcd: no answer\n2 peers failed'],
    [
      '/readyz?a=b&verbose=1',
      { isReady: true, reasons: ['1 peer failed'] },
      200,
      'flanneld is ready\n1 peer failed',
    ],
    [
      '/readyz?verbose',
      { isReady: false, reasons: ['a key \u001b]0;x\u0007\nforged'] },
      503,
      'flanneld is not ready yet\na key \\u{1b}]0;x\\u{7}\\nforged',
    ],
    ['/', undefined, 404, '404 page not found\n'],
    ['/readyz/', undefined, 404, '404 page not found\n'],
    ['//', undefined, 404, '404 page not found\n'],
  ];
  for (const [path, state, status, body] of cases)
    it(`answers ${path} with ${status} ${JSON.stringify(body)}`, async () => {
      if (state !== undefined) readiness = () => state;
      assert.deepEqual(await ask(server, path), { status, type: 'text/plain; charset=utf-8', body });
    });

  it('asks for readiness at each request, so that it can revert', async () => {
    const states = [true, false, true];
    readiness = () => ({ isReady: states.shift() ?? false, reasons: [] });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask(server, '/readyz')).status);
    assert.deepEqual(statuses, [200, 503, 200]);
  });

  it('is not ready, and lives on, when readiness cannot be computed', async () => {
    readiness = () => {
      throw new Error('oops');
    };
    assert.equal(
      (await ask(server, '/readyz?verbose')).body,
      'flanneld is not ready yet\nreadiness is unknown: oops',
    );
    assert.equal((await ask(server, '/healthz')).status, 200);
  });

  it('lives through garbage', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.end('\u0000\u0001 garbage\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    assert.equal((await ask(server, '/healthz')).status, 200);
  });

  it('stops at once although clients keep connections and half of a request', async () => {
    const second = await startHealthServer({ ip: '127.0.0.1', port: 0, readiness });
    const agent = new Agent({ keepAlive: true });
    await ask(second, '/healthz', '127.0.0.1', agent);
    const slow = connect(second.port, '127.0.0.1');
    slow.on('error', () => undefined);
    slow.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(slow, 'data');
    slow.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
    // An answer to another client shows that the server has read what came before.
    await ask(second, '/healthz');
    await second.stop();
    await assert.rejects(ask(second, '/healthz', '127.0.0.1', new Agent()), { code: 'ECONNREFUSED' });
    agent.destroy();
    slow.destroy();
  });

  it('listens on IPv6', async () => {
    const second = await startHealthServer({ ip: '::1', port: 0, readiness });
    try {
      assert.equal((await ask(second, '/healthz', '::1')).status, 200);
    } finally {
      await second.stop();
    }
  });

  it('names address, port and remedy when the port is in use', async () => {
    const { port } = server;
    await assert.rejects(startHealthServer({ ip: '127.0.0.1', port, readiness }), (error) => {
      assert.ok(error instanceof HttpListenerError);
      assert.match(
        error.message,
        new RegExp(
          `^Health server cannot listen on 127\\.0\\.0\\.1:${port}: the port is in use; .*--healthz-port$`,
        ),
      );
      return true;
    });
  });

  it('names the flag when the address is not of this host', async () => {
    const start = startHealthServer({ ip: '2001:db8::1', port: 8080, readiness });
    await assert.rejects(start, /cannot listen on \[2001:db8::1\]:8080: .*correct --healthz-ip$/);
  });
});

import assert from 'node:assert/strict';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger } from '../log/log.ts';
import { ControlError, type ControlledNode, type Endpoint } from './endpoint.ts';
import { createControlHandler, MAX_BODY_BYTES } from './handler.ts';

const LINES: { isClosed: boolean } = { isClosed: false };

async function* endless(signal: AbortSignal): AsyncGenerator<object> {
  try {
    for (let count = 0; !signal.aborted; count++) {
      yield { count };
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    LINES.isClosed = true;
  }
}

const ENDPOINTS: readonly Endpoint[] = [
  { method: 'GET', path: '/v1/echo', summary: 'echo', handle: (_, { query }) => ({ json: query.get('q') }) },
  { method: 'POST', path: '/v1/echo', summary: 'echo', handle: (_, { body }) => ({ json: { body } }) },
  {
    method: 'GET',
    path: '/v1/no',
    summary: 'rejects',
    handle: () => {
      throw new ControlError(409, 'conflict', 'Not now: wait');
    },
  },
  { method: 'GET', path: '/v1/crash', summary: 'fails', handle: () => Promise.reject(new Error('oops')) },
  {
    method: 'GET',
    path: '/v1/text',
    summary: 'text',
    handle: () => ({ text: 'a 1\n', contentType: 'text/plain' }),
  },
  {
    method: 'GET',
    path: '/v1/lines',
    summary: 'lines',
    handle: (_, { signal }) => ({ lines: endless(signal) }),
  },
];

describe('the handler of the control socket', () => {
  const logged: string[] = [];
  let server: Server;

  before(async () => {
    const daemon = { log: createLogger({ write: (line) => void logged.push(line) }) } as ControlledNode;
    server = createServer(createControlHandler(daemon, ENDPOINTS));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  function ask(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const request = httpRequest({ port, method, path, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  const cases: readonly (readonly [string, string, string | undefined, number, string])[] = [
    ['GET', '/v1/echo?q=a%20b', undefined, 200, '"a b"\n'],
    ['POST', '/v1/echo', '{"a":[1]}', 200, '{"body":{"a":[1]}}\n'],
    ['POST', '/v1/echo', undefined, 200, '{}\n'],
    ['GET', '/v1/text', undefined, 200, 'a 1\n'],
    ['GET', '/v1/no', undefined, 409, '{"error":{"code":"conflict","message":"Not now: wait"}}'],
    ['GET', '/v1/crash', undefined, 500, '{"error":{"code":"internal","message":"oops"}}'],
    [
      'GET',
      '/v1/nope',
      undefined,
      404,
      '{"error":{"code":"not-found","message":"No endpoint /v1/nope: GET /v1 lists all"}}',
    ],
    [
      'GET',
      'http://[',
      undefined,
      400,
      '{"error":{"code":"bad-request","message":"\\"http://[\\" is no path: GET /v1 lists all"}}',
    ],
    [
      'GET',
      '//:',
      undefined,
      400,
      '{"error":{"code":"bad-request","message":"\\"//:\\" is no path: GET /v1 lists all"}}',
    ],
    [
      'PUT',
      '/v1/echo',
      '1',
      405,
      '{"error":{"code":"wrong-method","message":"/v1/echo takes GET and POST, not PUT"}}',
    ],
  ];
  for (const [method, path, body, status, text] of cases)
    it(`answers ${method} ${path}${body === undefined ? '' : ` with ${body}`} by ${status}`, async () => {
      assert.deepEqual(await ask(method, path, body), { status, text });
    });

  it('lists all endpoints at /v1', async () => {
    const { text } = await ask('GET', '/v1');
    const { endpoints } = JSON.parse(text) as { endpoints: { path: string }[] };
    assert.deepEqual(
      endpoints.map(({ path }) => path),
      ENDPOINTS.map(({ path }) => path),
    );
  });

  it('names the error of a body that is not JSON', async () => {
    const { status, text } = await ask('POST', '/v1/echo', '{"a":');
    assert.equal(status, 400);
    assert.match(text, /"code":"not-json","message":"The body is not JSON: /);
  });

  it('accepts a body of the maximum size and rejects a larger one', async () => {
    const fits = JSON.stringify('x'.repeat(MAX_BODY_BYTES - 2));
    assert.equal((await ask('POST', '/v1/echo', fits)).status, 200);
    assert.equal((await ask('POST', '/v1/echo', `${fits} `)).status, 413);
  });

  it('logs internal errors and no rejected requests', async () => {
    logged.length = 0;
    await ask('GET', '/v1/no');
    assert.deepEqual(logged, []);
    await ask('GET', '/v1/crash');
    assert.match(logged.join(''), /Control socket request failed error=oops/);
  });

  it('streams lines until the client disconnects', async () => {
    const { port } = server.address() as AddressInfo;
    const seen = await new Promise<string>((resolve, reject) => {
      const request = httpRequest({ port, path: '/v1/lines', agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (!text.includes('\n{"count":2}\n')) return;
          request.destroy();
          resolve(text);
        });
      });
      request.on('error', reject);
      request.end();
    });
    assert.ok(seen.startsWith('{"count":0}\n{"count":1}\n{"count":2}\n'));
    while (!LINES.isClosed) await new Promise((resolve) => setImmediate(resolve));
  });
});

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { FakeApiServer } from '../../../test/support/kubernetes/fake-api-server.ts';
import { RegistryError } from '../registry.ts';
import type { ClusterAccess, Credentials } from './access.ts';
import { ApiClient } from './api-client.ts';
import { allUnreached, ApiError, connectionError, isUntrusted } from './errors.ts';

describe('ApiClient', () => {
  let server: FakeApiServer;
  let clock: FakeClock;
  let clients: ApiClient[];

  beforeEach(async () => {
    server = await FakeApiServer.start();
    server.addNode('a', ['10.244.1.0/24']);
    clock = new FakeClock();
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await server.close();
  });

  function clientOf(
    servers: readonly string[],
    readCredentials = (): Promise<Credentials> => Promise.resolve({}),
  ): ApiClient {
    const access: ClusterAccess = {
      servers,
      isTlsVerified: true,
      readAuthority: () => Promise.resolve(undefined),
      readCredentials,
      source: 'a spec',
    };
    const client = new ApiClient({ access, clock, userAgent: 'spec' });
    clients.push(client);
    return client;
  }

  const nodeOf = (client: ApiClient): Promise<{ metadata: { name: string } }> =>
    client.json({ path: '/api/v1/nodes/a' });

  it('passes over servers that do not answer, and stays with the one that does', async () => {
    const client = clientOf(['http://127.0.0.1:1', server.url]);
    assert.equal((await nodeOf(client)).metadata.name, 'a');
    assert.equal((await nodeOf(client)).metadata.name, 'a');
  });

  it('passes over a server that does not work, but not one that is busy', async () => {
    const broken = await FakeApiServer.start();
    try {
      let headers: Record<string, string> = {};
      broken.intercept = (_request, response) => {
        response.writeHead(503, headers).end('{"code":503,"message":"no etcd"}');
        return true;
      };
      assert.equal((await nodeOf(clientOf([broken.url, server.url]))).metadata.name, 'a');
      await assert.rejects(nodeOf(clientOf([broken.url, broken.url])), /no etcd.*no etcd/);
      headers = { 'retry-after': '1' };
      await assert.rejects(nodeOf(clientOf([broken.url, server.url])), /no etcd$/);
    } finally {
      await broken.close();
    }
  });

  it('names the server and the remedy when none answers', async () => {
    await assert.rejects(nodeOf(clientOf(['http://127.0.0.1:1'])), (error: RegistryError) => {
      assert.equal(error.code, 'REGISTRY_UNAVAILABLE');
      assert.match(
        error.message,
        /^GET \/api\/v1\/nodes\/a at http:\/\/127\.0\.0\.1:1: .*is kube-apiserver running there\?/,
      );
      return true;
    });
  });

  it('names each server when none of several answers', async () => {
    const client = clientOf(['http://127.0.0.1:1', 'http://127.0.0.1:2']);
    await assert.rejects(nodeOf(client), ({ message }: RegistryError) => {
      for (const url of ['http://127.0.0.1:1:', 'http://127.0.0.1:2:'])
        assert.ok(message.includes(url), message);
      return true;
    });
  });

  it('takes an authority that may have been replaced for the cause, whichever server fails last', () => {
    const refused = connectionError(
      'GET /',
      'https://b',
      Object.assign(new Error('no'), { code: 'ECONNREFUSED' }),
    );
    const untrusted = connectionError(
      'GET /',
      'https://a',
      Object.assign(new Error('self-signed'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' }),
    );
    for (const failures of [
      [untrusted, refused],
      [refused, untrusted],
    ])
      assert.ok(isUntrusted(allUnreached(failures)));
    assert.ok(!isUntrusted(allUnreached([refused, refused])));
  });

  it('reads the token again on 401, and each minute', async () => {
    const tokens = ['old', 'new', 'newer'];
    const client = clientOf([server.url], () => Promise.resolve({ token: tokens.shift() ?? 'none' }));
    server.token = 'new';
    await nodeOf(client);
    assert.deepEqual(tokens, ['newer']);
    server.token = 'newer';
    await clock.advance(60_000);
    await nodeOf(client);
    assert.deepEqual(tokens, []);
  });

  it('gives up on a token that stays wrong, with the remedy', async () => {
    server.token = 'other';
    const client = clientOf([server.url], () => Promise.resolve({ token: 'wrong' }));
    await assert.rejects(nodeOf(client), { code: 'REGISTRY_DENIED', message: /credentials are not valid/ });
    assert.equal(server.requests.length, 1);
  });

  it('goes on with the credentials that it has if they cannot be read again', async () => {
    let isBroken = false;
    const client = clientOf([server.url], () =>
      isBroken ? Promise.reject(new Error('no such file')) : Promise.resolve({ token: 'one' }),
    );
    await nodeOf(client);
    isBroken = true;
    await clock.advance(60_000);
    assert.equal((await nodeOf(client)).metadata.name, 'a');
  });

  it('does not read credentials that fail before each request', async () => {
    let reads = 0;
    const client = clientOf([server.url], () =>
      reads++ === 0 ? Promise.resolve({ token: 't' }) : Promise.reject(new Error('plugin')),
    );
    await nodeOf(client);
    await clock.advance(60_000);
    for (let request = 0; request < 3; request++) await nodeOf(client);
    assert.equal(reads, 2);
    await clock.advance(60_000);
    await nodeOf(client);
    assert.equal(reads, 3);
  });

  it('keeps what a busy server asks for', async () => {
    server.intercept = (_, response) => {
      response.writeHead(429, { 'retry-after': '7' }).end('{"reason":"TooManyRequests","message":"later"}');
      return true;
    };
    const client = clientOf([server.url]);
    await assert.rejects(
      nodeOf(client),
      (error: ApiError) => error.status === 429 && error.isTransient && error.retryAfterMs === 7000,
    );
    assert.equal(client.earliestMs, clock.nowMs() + 7000);
    server.intercept = undefined;
    const next = nodeOf(client);
    await clock.advance(6999);
    assert.equal(server.requests.length, 1);
    await clock.advance(1);
    assert.equal((await next).metadata.name, 'a');
  });

  it('does not wait for the rest of an answer that stops', async () => {
    server.intercept = (_, response) => response.writeHead(200).write('{"metadata":');
    await assert.rejects(clientOf([server.url]).json({ path: '/api/v1/nodes/a', timeoutMs: 50 }), {
      code: 'REGISTRY_UNAVAILABLE',
      message: /sent nothing for 0\.05 s/,
    });
  });

  it('closes the connection of an answer that is not read to its end, compressed or not', async () => {
    for (const encoding of ['gzip', 'identity']) {
      const closed = new Promise<void>((resolve) => {
        server.intercept = (_, response) => {
          response.once('close', resolve);
          return response.writeHead(200, { 'content-encoding': encoding }).write('x');
        };
      });
      const { body } = await clientOf([server.url]).send({ path: '/api/v1/nodes' });
      body.on('error', () => undefined).destroy();
      await closed;
    }
  });

  it('distinguishes a denied request from a missing object', async () => {
    server.intercept = (_, response) => {
      response.writeHead(403).end('{"reason":"Forbidden","message":"nodes is forbidden"}');
      return true;
    };
    await assert.rejects(nodeOf(clientOf([server.url])), {
      code: 'REGISTRY_DENIED',
      message: /nodes is forbidden; grant it/,
    });
    server.intercept = undefined;
    await assert.rejects(clientOf([server.url]).json({ path: '/api/v1/nodes/b' }), {
      code: 'REGISTRY_REJECTED',
      status: 404,
    });
  });

  it('rejects with the reason of the signal', async () => {
    const controller = new AbortController();
    server.intercept = () => {
      controller.abort(new Error('enough'));
      return true;
    };
    await assert.rejects(
      clientOf([server.url]).json({ path: '/api/v1/nodes/a', signal: controller.signal }),
      /enough/,
    );
  });
});

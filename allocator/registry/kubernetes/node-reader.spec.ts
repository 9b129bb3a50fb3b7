import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { systemClock } from '../../../lib/clock.ts';
import { FakeApiServer } from '../../../test/support/kubernetes/fake-api-server.ts';
import { FLANNEL_NODE, PREFIX } from '../../../test/compliance/assigning-registry.ts';
import { recordWatch } from '../../../test/support/watch-recorder.ts';
import { revisionAfter, type RegistryEntry } from '../registry.ts';
import { parseAnnotationPrefix, type AnnotationNames } from './annotations.ts';
import { ApiClient } from './api-client.ts';
import { ConfigFile } from './config-file.ts';
import { NodeReader } from './node-reader.ts';
import { watchNodes } from './node-watch.ts';

describe('NodeReader', () => {
  let server: FakeApiServer;
  let client: ApiClient;
  let reader: NodeReader;

  beforeEach(async () => {
    server = await FakeApiServer.start();
    server.addNode('own', ['10.244.1.0/24']);
    const access = {
      servers: [server.url],
      isTlsVerified: true,
      readAuthority: () => Promise.resolve(undefined),
      readCredentials: () => Promise.resolve({}),
      source: 'a spec',
    };
    client = new ApiClient({ access, clock: systemClock, userAgent: 'spec' });
    reader = readerOf(client);
  });
  afterEach(async () => {
    client.close();
    await server.close();
  });

  const readerOf = (source: ApiClient): NodeReader =>
    new NodeReader({
      client: source,
      clock: systemClock,
      random: () => 0,
      names: parseAnnotationPrefix('flannel.alpha.coreos.com') as AnnotationNames,
      ownName: 'own',
      config: new ConfigFile('/nonexistent/net-conf.json'),
    });
  const weftNode = (uid: string, podCidrs: readonly string[]): Record<string, string> => ({
    ...FLANNEL_NODE,
    [`${PREFIX}weft`]: JSON.stringify({ uid, podCidrs }),
  });
  const countOf = (pattern: RegExp): number =>
    server.requests.filter((request) => pattern.test(request)).length;

  it('reads a node of weft without a request of its own, and one of flannel with one', async () => {
    const watch = recordWatch(reader, revisionAfter((await reader.snapshot()).revision));
    await watch.ready;
    server.addNode('w', ['10.244.2.0/24']);
    server.annotate('w', weftNode(server.nodes.get('w')!.metadata.uid, ['10.244.2.0/24']));
    await watch.seen(1);
    assert.equal(countOf(/GET .*nodes\/w/), 0);
    server.addNode('f', ['10.244.3.0/24']);
    server.annotate('f', FLANNEL_NODE);
    await watch.seen(2);
    assert.equal(countOf(/GET .*nodes\/f/), 1);
    await watch.stop();
  });

  it('believes the spec of a node, not what the node says of its pod CIDRs', async () => {
    server.addNode('liar', ['10.244.4.0/24']);
    server.annotate('liar', weftNode(server.nodes.get('liar')!.metadata.uid, ['10.244.0.0/16']));
    const { entries } = await reader.snapshot();
    assert.match(entries.find(({ key }) => key === 'liar')!.value, /"podCidrs":\["10\.244\.4\.0\/24"\]/);
  });

  it('does not believe pod CIDRs that were copied from another node', async () => {
    const watch = recordWatch(reader, revisionAfter((await reader.snapshot()).revision));
    await watch.ready;
    server.addNode('copy', ['10.244.5.0/24']);
    server.annotate('copy', weftNode('uid-of-another', ['10.244.6.0/24']));
    await watch.seen(1);
    assert.match(JSON.stringify(watch.events), /10\.244\.5\.0/);
    await watch.stop();
  });

  it('drops what it read of a node that was deleted meanwhile', async () => {
    const watch = recordWatch(reader, revisionAfter((await reader.snapshot()).revision));
    await watch.ready;
    let release: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      server.intercept = ({ url }, response) => {
        if (url !== '/api/v1/nodes/f') return false;
        const body = JSON.stringify(server.nodes.get('f'));
        release = () => response.writeHead(200).end(body);
        resolve();
        return true;
      };
    });
    server.addNode('f', ['10.244.3.0/24']);
    server.annotate('f', FLANNEL_NODE);
    await asked;
    server.deleteNode('f');
    server.annotate('own', { [`${PREFIX}public-ip-overwrite`]: '203.0.113.1' });
    await watch.seen(1);
    release();
    // The late answer comes before this one.
    await client.json({ path: '/api/v1/nodes/own' });
    server.annotate('own', { [`${PREFIX}public-ip-overwrite`]: '203.0.113.2' });
    await watch.seen(2);
    assert.doesNotMatch(JSON.stringify(watch.events), /10\.244\.3\.0/);
    await watch.stop();
  });

  it('goes on where it was when the server ends a watch at its time', async () => {
    const watch = recordWatch(reader, revisionAfter((await reader.snapshot()).revision));
    await watch.ready;
    server.endWatches();
    server.annotate('own', { [`${PREFIX}public-ip-overwrite`]: '203.0.113.1' });
    await watch.seen(1);
    assert.equal(countOf(/watch=1/), 2);
    await watch.stop();
  });

  it('ends as compacted on an ERROR of status 410 inside an answer of 200', async () => {
    const { revision } = await reader.snapshot();
    server.heartbeat('own');
    server.compact();
    const watch = recordWatch(reader, revisionAfter(revision));
    assert.deepEqual(await watch.ended, { reason: 'compacted' });
  });

  it('ends as lost when the connection breaks', async () => {
    const watch = recordWatch(reader, revisionAfter((await reader.snapshot()).revision));
    await watch.ready;
    server.dropWatches();
    assert.equal((await watch.ended).reason, 'lost');
  });

  it('ends as lost when the server ends each watch at once', async () => {
    const { revision } = await reader.snapshot();
    server.intercept = ({ url }, response) =>
      url!.includes('watch=1') && response.writeHead(200).end() !== undefined;
    const watch = recordWatch(reader, revisionAfter(revision));
    const end = await watch.ended;
    assert.match(JSON.stringify(end, ['reason']), /lost/);
    assert.equal(countOf(/watch=1/), 2);
  });

  it('asks for the latest state where the server is behind what was seen', async () => {
    for (let i = 0; i < 5; i++) server.heartbeat('own');
    const { revision } = await reader.snapshot();
    server.restore(revision - 3);
    const restored = await reader.snapshot();
    assert.equal(restored.revision, revision - 3);
    assert.equal(restored.entries.length, 1);
  });

  it('moves the revision on with a bookmark', async () => {
    const watch = recordWatch(reader, revisionAfter((await reader.snapshot()).revision));
    await watch.ready;
    server.heartbeat('own');
    server.bookmark();
    while (watch.revisions.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(watch.revisions[0], Number(server.nodes.get('own')!.metadata.resourceVersion));
    await watch.stop();
  });

  it('lists metadata alone once it knows the specs', async () => {
    server.addNode('f', ['10.244.3.0/24']);
    server.annotate('f', FLANNEL_NODE);
    await reader.snapshot();
    const accepts: (string | undefined)[] = [];
    server.intercept = ({ headers }) => {
      accepts.push(headers.accept);
      return false;
    };
    const { entries } = await reader.snapshot();
    assert.match(accepts[0]!, /PartialObjectMetadataList/);
    assert.match(entries.find(({ key }) => key === 'f')!.value, /10\.244\.3\.0/);
  });

  it('ends a watch that is silent', async () => {
    const { revision } = await reader.snapshot();
    const watched = watchNodes(client, {
      random: () => 0,
      after: revision,
      onReady: () => undefined,
      onEvents: () => undefined,
      signal: new AbortController().signal,
      silenceMs: 100,
    });
    await assert.rejects(watched, /sent nothing for 0\.1 s/);
    await assert.rejects(
      watchNodes(client, {
        random: () => 0,
        after: revision,
        onReady: () => server.heartbeat('own'),
        onEvents: () => undefined,
        signal: new AbortController().signal,
        silenceMs: 100,
      }),
      /sent nothing/,
    );
  });

  it('keeps the revisions of entries that an earlier process knew and that are still so', async () => {
    server.addNode('w', ['10.244.2.0/24']);
    server.annotate('w', weftNode(server.nodes.get('w')!.metadata.uid, ['10.244.2.0/24']));
    const { entries } = await reader.snapshot();
    const next = readerOf(client);
    server.annotate('w', { [`${PREFIX}public-ip`]: '198.18.1.77' });
    next.assume(entries);
    const after = await next.snapshot();
    const revisionOf = (name: string, list: readonly RegistryEntry[]): number =>
      list.find(({ key }) => key === name)!.modRevision;
    assert.equal(revisionOf('own', after.entries), revisionOf('own', entries));
    assert.equal(revisionOf('w', after.entries), after.revision);
    // What the API server said counts more.
    next.assume([]);
    assert.deepEqual((await next.snapshot()).entries, after.entries);
  });

  it('keeps what it has when a list breaks off', async () => {
    const before = await reader.snapshot();
    server.intercept = (_, response) => {
      response.writeHead(200).end('{"items":[{"metadata":{"name":"x"');
      return true;
    };
    await assert.rejects(reader.snapshot(), { code: 'REGISTRY_UNAVAILABLE' });
    server.intercept = undefined;
    assert.deepEqual((await reader.snapshot()).entries, before.entries);
  });
});

// TLS, users and permissions of the etcd registry: what works, and that each mistake is reported
// with the flag to correct.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import { createEtcdConfigStore } from '../allocator/registry/etcd/config-store.ts';
import { createEtcdRegistry } from '../allocator/registry/etcd/index.ts';
import type { EtcdOptions, TlsFiles } from '../allocator/registry/etcd/index.ts';
import { NO_LEASE, RegistryError, revisionAfter, toRevision } from '../allocator/registry/registry.ts';
import type { Registry, RegistryErrorCode } from '../allocator/registry/registry.ts';
import { makeCertificates } from './support/certificates.ts';
import type { Certificates } from './support/certificates.ts';
import { startEtcd } from '../lab/etcd-server.ts';
import type { EtcdServer } from '../lab/etcd-server.ts';
import { waitFor } from '../lab/wait.ts';
import { recordWatch } from './support/watch-recorder.ts';
import { rejectsWith } from './compliance/registry-fixture.ts';

const open: Registry[] = [];

function connect(options: Partial<EtcdOptions> & Pick<EtcdOptions, 'endpoints'>): Registry {
  const registry = createEtcdRegistry({ prefix: '/coreos.com/network', ...options });
  open.push(registry);
  return registry;
}

describe('etcd registry and TLS', () => {
  let trusted: Certificates;
  let foreign: Certificates;
  let server: EtcdServer;
  let strict: EtcdServer;
  let directory: string;

  before(async () => {
    [trusted, foreign] = await Promise.all([makeCertificates('IP:127.0.0.1'), makeCertificates()]);
    [server, strict] = await Promise.all([
      startEtcd({ tls: trusted }),
      startEtcd({ tls: trusted, clientCertAuth: true }),
    ]);
    directory = await mkdtemp(join(tmpdir(), 'weft-tls-'));
  });
  after(() =>
    Promise.all([
      server.stop(),
      strict.stop(),
      trusted.remove(),
      foreign.remove(),
      rm(directory, { recursive: true, force: true }),
    ]),
  );
  afterEach(closeAll);

  it('needs no more than the authority of the server', async () => {
    const registry = connect({ endpoints: [server.url], tls: { caFile: trusted.ca } });
    const watch = recordWatch(registry, toRevision((await registry.snapshot()).revision + 1));
    await watch.ready;
    await registry.create({ keys: ['a'], value: 'v', leaseId: NO_LEASE });
    await watch.seen(1);
    await watch.stop();
  });

  it('shows a client certificate to a server that wants one', async () => {
    const client = { certFile: trusted.clientCert, keyFile: trusted.clientKey };
    await connect({ endpoints: [strict.url], tls: { caFile: trusted.ca, client } }).snapshot();
  });

  const mistakes: readonly {
    readonly what: string;
    readonly options: () => Parameters<typeof connect>[0];
    readonly code: RegistryErrorCode;
    readonly message: RegExp;
  }[] = [
    {
      what: 'another authority',
      options: () => ({ endpoints: [server.url], tls: { caFile: foreign.ca } }),
      code: 'REGISTRY_DENIED',
      message: /snapshot at https:\S+ failed: .*not trusted \([A-Z_]*(CERT|SIGNATURE)[A-Z_]*.*--etcd-cafile/,
    },
    {
      what: 'no authority',
      options: () => ({ endpoints: [server.url] }),
      code: 'REGISTRY_DENIED',
      message: /not trusted.*--etcd-cafile/,
    },
    {
      what: 'a name that the certificate does not hold',
      options: () => ({ endpoints: [`https://localhost:${server.port}`], tls: { caFile: trusted.ca } }),
      code: 'REGISTRY_DENIED',
      message: /other names.*localhost.*--etcd-endpoints/,
    },
    {
      what: 'a name that does not resolve',
      options: () => ({ endpoints: [`https://etcd.invalid:${server.port}`], tls: { caFile: trusted.ca } }),
      code: 'REGISTRY_UNAVAILABLE',
      message: /the name etcd\.invalid does not resolve \(.*; correct --etcd-endpoints, or the name server/,
    },
    {
      what: 'no client certificate',
      options: () => ({ endpoints: [strict.url], tls: { caFile: trusted.ca } }),
      code: 'REGISTRY_DENIED',
      message: /refused the TLS handshake.*--etcd-certfile and --etcd-keyfile/,
    },
    {
      what: 'a client certificate of another authority',
      options: () => ({
        endpoints: [strict.url],
        tls: {
          caFile: trusted.ca,
          client: { certFile: foreign.clientCert, keyFile: foreign.clientKey },
        },
      }),
      code: 'REGISTRY_DENIED',
      message: /refused the TLS handshake.*--etcd-certfile and --etcd-keyfile/,
    },
    {
      what: 'http where the server wants TLS',
      options: () => ({ endpoints: [`http://127.0.0.1:${server.port}`] }),
      code: 'REGISTRY_UNAVAILABLE',
      message: /https:\/\//,
    },
  ];
  for (const { what, options, code, message } of mistakes)
    it(`explains ${what}`, async () => {
      const error = await rejectsWith(code, connect(options()).snapshot());
      assert.match(error.message, message);
    });

  const EXPIRED = [
    ['ca', /the certificate of --etcd-cafile expired on 2021-01-01T00:00:00Z .*; renew it/],
    ['server', /: its certificate expired on 2021-01-01T00:00:00Z .*; renew it/],
    ['client', /the certificate of --etcd-certfile expired on 2021-01-01T00:00:00Z .*; renew it/],
  ] as const;
  for (const [which, message] of EXPIRED)
    it(`explains an expired certificate with its date: ${which}`, async () => {
      const old = await makeCertificates('IP:127.0.0.1', which);
      const expired = await startEtcd({ tls: old, ...(which === 'client' && { clientCertAuth: true }) });
      try {
        const client = { certFile: old.clientCert, keyFile: old.clientKey };
        const registry = connect({ endpoints: [expired.url], tls: { caFile: old.ca, client } });
        const error = await rejectsWith('REGISTRY_DENIED', registry.snapshot());
        assert.match(error.message, message);
      } finally {
        await Promise.all([expired.stop(), old.remove()]);
      }
    });

  it('explains https where the server speaks plain', async () => {
    const plain = await startEtcd();
    try {
      const url = `https://127.0.0.1:${plain.port}`;
      const error = await rejectsWith('REGISTRY_UNAVAILABLE', connect({ endpoints: [url] }).snapshot());
      assert.match(error.message, /if etcd serves without TLS, write http:\/\//);
    } finally {
      await plain.stop();
    }
  });

  it('passes over an endpoint that it cannot trust', async () => {
    const other = await startEtcd({ tls: foreign });
    try {
      await connect({ endpoints: [other.url, server.url], tls: { caFile: trusted.ca } }).snapshot();
    } finally {
      await other.stop();
    }
  });

  it('takes renewed certificates with the next connection', async () => {
    const caFile = join(directory, 'ca.pem');
    await copyFile(foreign.ca, caFile);
    const registry = connect({ endpoints: [server.url], tls: { caFile } });
    await rejectsWith('REGISTRY_DENIED', registry.snapshot());
    await writeFile(caFile, 'half-written');
    await rejectsWith('REGISTRY_DENIED', registry.snapshot());
    await copyFile(trusted.ca, caFile);
    await registry.snapshot();
  });

  const unusable: readonly (readonly [string, () => TlsFiles, RegExp])[] = [
    ['a missing file', () => ({ caFile: '/no/such.pem' }), /--etcd-cafile \/no\/such\.pem .*ENOENT/],
    [
      'a file that is no certificate',
      () => ({ caFile: trusted.clientKey }),
      /--etcd-cafile .*client\.key cannot/,
    ],
    [
      'a file that is no key',
      () => ({ client: { certFile: trusted.clientCert, keyFile: trusted.ca } }),
      /--etcd-keyfile .*ca\.pem cannot/,
    ],
    [
      'a key of another certificate',
      () => ({ client: { certFile: trusted.clientCert, keyFile: foreign.clientKey } }),
      /--etcd-keyfile .*client\.key is not the key of --etcd-certfile/,
    ],
  ];
  for (const [what, options, message] of unusable)
    it(`refuses ${what} at start`, () => {
      assert.throws(() => connect({ endpoints: [server.url], tls: options() }), message);
    });
});

describe('etcd registry and users', () => {
  const password = 'open sesame';
  let server: EtcdServer;
  const asRoot = ['--user', 'root:root'];

  before(async () => {
    server = await startEtcd();
    await server.ctl('user', 'add', 'root:root');
    await server.ctl('user', 'grant-role', 'root', 'root');
    await server.ctl('role', 'add', 'weft');
    await server.ctl('role', 'grant-permission', 'weft', '--prefix', 'readwrite', '/mine/');
    await server.ctl('user', 'add', `weft:${password}`);
    await server.ctl('user', 'grant-role', 'weft', 'weft');
  });
  after(() => server.stop());
  afterEach(closeAll);

  const asWeft = (options: Partial<EtcdOptions> = {}): Registry =>
    connect({
      endpoints: [server.url],
      prefix: '/mine',
      auth: { username: 'weft', password },
      ...options,
    });

  it('work before authentication is switched on and after', async () => {
    const registry = asWeft();
    await registry.snapshot();
    await server.ctl('auth', 'enable');
    await registry.snapshot();
  });

  it('may do everything below their prefix, with one authentication', async () => {
    const calls: string[] = [];
    const registry = asWeft({ onCall: (rpc) => calls.push(rpc) });
    const { revision } = await registry.snapshot();
    const watch = recordWatch(registry, revisionAfter(revision));
    await watch.ready;
    const leaseId = await registry.grant(60);
    const created = await registry.create({ keys: ['a', 'b'], value: 'v', leaseId });
    assert.equal(await registry.keepAlive(leaseId), 60);
    await registry.update({ key: 'a', value: 'w', leaseId }, created.revision);
    await registry.revoke(leaseId);
    await watch.seen(3);
    await watch.stop();
    assert.equal(calls.filter((rpc) => rpc === 'Auth.authenticate').length, 1);
  });

  it('share one authentication among calls that start together', async () => {
    const calls: string[] = [];
    const registry = asWeft({ onCall: (rpc) => calls.push(rpc) });
    await Promise.all([registry.snapshot(), registry.snapshot(), registry.grant(60)]);
    assert.equal(calls.filter((rpc) => rpc === 'Auth.authenticate').length, 1);
  });

  it('read config and leases with the rights that flannel needs', async () => {
    await server.ctl(...asRoot, 'role', 'add', 'flannel');
    await server.ctl(...asRoot, 'role', 'grant-permission', 'flannel', 'read', '/mine/config');
    await server.ctl(
      ...asRoot,
      'role',
      'grant-permission',
      'flannel',
      '--prefix',
      'readwrite',
      '/mine/subnets/',
    );
    await server.ctl(...asRoot, 'user', 'add', `flannel:${password}`);
    await server.ctl(...asRoot, 'user', 'grant-role', 'flannel', 'flannel');
    const auth = { username: 'flannel', password };
    const store = createEtcdConfigStore({ endpoints: [server.url], prefix: '/mine', auth });
    try {
      assert.deepEqual([...(await store.read()).reports], []);
    } finally {
      store.close();
    }
  });

  const mistakes: readonly (readonly [string, Partial<EtcdOptions>, RegExp])[] = [
    [
      'a wrong password',
      { auth: { username: 'weft', password: 'wrong secret' } },
      /--etcd-username \(weft\) and --etcd-password/,
    ],
    [
      'an unknown user',
      { auth: { username: 'unknown', password } },
      /--etcd-username \(unknown\) and --etcd-password/,
    ],
    ['no user', { auth: undefined }, /set --etcd-username and --etcd-password/],
    ['a foreign prefix', { prefix: '/theirs' }, /grant user weft access to \/theirs\/config/],
  ];
  for (const [what, options, message] of mistakes)
    it(`get an error about ${what}, without a secret`, async () => {
      const error = await rejectsWith('REGISTRY_DENIED', asWeft(options).snapshot());
      assert.match(error.message, message);
      const everything = `${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
      assert.ok(!everything.includes(password) && !everything.includes('wrong secret'), everything);
    });

  it('get an error when a watch is not allowed', async () => {
    const end = await recordWatch(asWeft({ prefix: '/theirs' }), toRevision(1)).ended;
    assert.ok(end.reason === 'lost' && end.error instanceof RegistryError);
    assert.equal(end.error.code, 'REGISTRY_DENIED');
    assert.match(end.error.message, /access to \/theirs\/config/);
  });

  /** Takes the token of all connected clients away: it belongs to a user that is gone. */
  const replaceUser = async (): Promise<void> => {
    await server.ctl(...asRoot, 'user', 'delete', 'weft');
    await server.ctl(...asRoot, 'user', 'add', `weft:${password}`);
    await server.ctl(...asRoot, 'user', 'grant-role', 'weft', 'weft');
  };

  it('authenticate again when their token is gone, once', async () => {
    const calls: string[] = [];
    const registry = asWeft({ onCall: (rpc) => calls.push(rpc) });
    await registry.snapshot();
    await replaceUser();
    calls.length = 0;
    await registry.create({ keys: ['again'], value: 'v', leaseId: NO_LEASE });
    assert.deepEqual(calls, ['KV.txn', 'Auth.authenticate', 'KV.txn']);
    assert.equal((await registry.snapshot()).entries.filter((entry) => entry.key === 'again').length, 1);
  });

  it('watch again after their token is gone', async () => {
    const registry = asWeft();
    const { revision } = await registry.snapshot();
    await replaceUser();
    await waitFor('a watch is accepted', () => {
      const watch = recordWatch(registry, revision);
      return watch.ready.then(
        () => watch.stop().then(() => true),
        () => false,
      );
    });
  });
});

function closeAll(): void {
  for (const registry of open.splice(0)) registry.close();
}

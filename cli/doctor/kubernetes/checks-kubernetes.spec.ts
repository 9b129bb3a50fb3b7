import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { PREFIX } from '../../../test/compliance/assigning-registry.ts';
import { FakeApiServer } from '../../../test/support/kubernetes/fake-api-server.ts';
import { ControlClient } from '../../client/control-client.ts';
import { ETCD_CHECKS } from '../checks-etcd.ts';
import { KUBERNETES_CHECKS } from './checks-kubernetes.ts';
import type { Finding } from '../check.ts';
import { Facts } from '../facts.ts';
import { kubernetesOptionsOf } from '../../client/kubernetes-options.ts';
import { runChecks } from '../run-checks.ts';

describe('weft doctor on a node of Kubernetes', () => {
  let root: string;
  let server: FakeApiServer;
  let facts: Facts[];
  let slowApiMs: number;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'weft-doctor-'));
    server = await FakeApiServer.start();
    server.addNode('a', ['10.244.1.0/24']);
    facts = [];
    slowApiMs = 1000;
    await write('etc/kube-flannel/net-conf.json', '{"Network":"10.244.0.0/16"}');
    await write('etc/default/weft', serviceFile(server.url));
  });
  afterEach(async () => {
    for (const each of facts) each.close();
    await server.close();
    await rm(root, { recursive: true });
  });

  const serviceFile = (url: string): string =>
    `FLANNELD_KUBE_SUBNET_MGR=true\nFLANNELD_KUBE_API_URL=${url}\nNODE_NAME=a\n`;

  async function write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }

  /** With the answer `status` of a daemon, or without a daemon. */
  function factsOf(status?: object): Facts {
    const options = { etcd: {}, kubernetes: kubernetesOptionsOf(undefined, serviceFile(server.url), {}) };
    const running = {
      request: (name: string) => Promise.resolve(name === 'options' ? { options } : status),
    } as unknown as ControlClient;
    const found = new Facts({
      client: status === undefined ? new ControlClient(join(root, 'none.sock')) : running,
      etcd: { endpoints: ['http://127.0.0.1:1'], prefix: '/coreos.com/network' },
      ...(status && { options: { options } as never }),
      root: `${root}/`,
      output: () => Promise.resolve(undefined),
      slowApiMs,
    });
    facts.push(found);
    return found;
  }

  const find = (status?: object): Promise<readonly Finding[]> =>
    runChecks(factsOf(status), [...ETCD_CHECKS, ...KUBERNETES_CHECKS]);
  const idsOf = async (status?: object): Promise<readonly string[]> =>
    (await find(status)).map(({ check }) => check);

  it('finds nothing where all is well, and checks no etcd, with a daemon and without', async () => {
    assert.deepEqual(await idsOf(), []);
    assert.deepEqual(await idsOf({ registry: { kind: 'kubernetes' } }), []);
  });

  it('checks etcd alone on other hosts', async () => {
    await rm(join(root, 'etc/default/weft'));
    assert.deepEqual(await idsOf(), ['etcd-unreachable']);
  });

  it('finds an API server that does not answer: an error if it is the only one', async () => {
    await write('etc/default/weft', serviceFile('http://127.0.0.1:1'));
    const [only] = await find();
    assert.deepEqual([only?.check, only?.severity], ['kube-unreachable', 'error']);
    assert.match(only?.evidence[0] ?? '', /is kube-apiserver running there/);
    await write('etc/default/weft', serviceFile(`http://127.0.0.1:1,${server.url}`));
    assert.deepEqual(
      (await find()).map(({ check, severity }) => [check, severity]),
      [['kube-unreachable', 'warning']],
    );
  });

  it('finds credentials that are denied', async () => {
    server.token = 'secret';
    const [found] = await find();
    assert.equal(found?.check, 'kube-denied');
    assert.match(found.evidence[0] ?? '', /credentials are not valid/);
  });

  it('finds rights that are missing', async () => {
    server.denied.add('patch nodes/status');
    const [found] = await find();
    assert.deepEqual([found?.check, found?.evidence], ['kube-denied', ['denied: patch nodes/status']]);
    assert.match(found?.fix ?? '', /kubectl apply -f deploy\/kubernetes\/rbac\.yaml/);
  });

  it('finds an API server that is slow', async () => {
    slowApiMs = 50;
    server.delayMs = 60;
    assert.deepEqual(await idsOf(), ['kube-latency']);
  });

  it('does not find an API server slow for its first answer alone', async () => {
    slowApiMs = 200;
    server.delayMs = 250;
    server.intercept = ({ url }) => {
      if (server.requests.filter((one) => one.endsWith(url!)).length > 1) server.delayMs = 0;
      return false;
    };
    assert.deepEqual(await idsOf(), []);
  });

  it('finds an API server whose clock differs, with a token or without', async () => {
    const stamp = (ms: number): void => {
      server.intercept = (_request, response) => {
        response.setHeader('date', new Date(Date.now() + ms).toUTCString());
        return false;
      };
    };
    server.token = 'secret';
    stamp(-90_000);
    const found = (await find()).find(({ check }) => check === 'kube-clock');
    assert.match(found?.evidence[0] ?? '', /: its clock is (?:89|9[01]) s behind this host's$/);
    assert.equal(found?.severity, 'warning');
    server.token = '';
    assert.deepEqual(await idsOf(), ['kube-clock']);
    stamp(5000);
    assert.deepEqual(await idsOf(), []);
  });

  it('finds that the cluster has no such Node', async () => {
    server.deleteNode('a');
    assert.deepEqual(await idsOf(), ['node-missing']);
  });

  it('finds a Node without a pod CIDR, and one outside of the network', async () => {
    server.deleteNode('a');
    server.addNode('a');
    const [missing] = await find();
    assert.equal(missing?.check, 'pod-cidr');
    assert.match(missing.evidence[0] ?? '', /no spec\.podCIDR/);
    server.assign('a', ['10.99.1.0/24']);
    const [outside] = await find();
    assert.match(outside?.evidence[0] ?? '', /10\.99\.1\.0\/24 is not inside 10\.244\.0\.0\/16 of \/etc/);
  });

  it('finds annotations that are lost or another program’s', async () => {
    const status = {
      registry: { kind: 'kubernetes' },
      lease: { state: 'held', key: 'a' },
      interface: { publicIp: '198.18.1.1' },
    };
    const shown = { [`${PREFIX}kube-subnet-manager`]: 'true', [`${PREFIX}public-ip`]: '198.18.1.1' };
    server.annotate('a', shown);
    assert.deepEqual(await idsOf(status), []);
    server.annotate('a', { [`${PREFIX}public-ip`]: '203.0.113.9' });
    const [found] = await find(status);
    assert.equal(found?.check, 'annotation-lost');
    assert.match(found.evidence[0] ?? '', /public-ip is "203\.0\.113\.9", not "198\.18\.1\.1"/);
    server.annotate('a', { [`${PREFIX}public-ip-overwrite`]: '203.0.113.9' });
    assert.deepEqual(await idsOf(status), []);
  });
});

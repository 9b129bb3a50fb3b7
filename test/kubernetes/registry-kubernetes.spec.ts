// The Kubernetes registry on a real API server: the compliance suite, and what a token of a node may do.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import {
  KubernetesRegistry,
  parseAnnotationPrefix,
  type AnnotationNames,
} from '../../allocator/registry/kubernetes/index.ts';
import { eventOf } from '../../allocator/registry/kubernetes/node-event.ts';
import { startEtcd, type EtcdServer } from '../../lab/etcd-server.ts';
import { apiServerCommand, writeServerFiles } from '../../lab/kubernetes/api-server.ts';
import { waitFor } from '../../lab/wait.ts';
import { systemClock } from '../../lib/clock.ts';
import { describeAssigningRegistry, PREFIX, STARTUP_TAINT } from '../compliance/assigning-registry.ts';
import type { FakeNode, FakeReport } from '../support/kubernetes/fake-api-server.ts';
import {
  applyManifest,
  applyRights,
  call,
  dropAnnotation,
  keepAnnotations,
  mustCall,
  tokenFor,
} from './real-api-server.ts';

const PORT = 16_443;
const URL_OF_API = `https://127.0.0.1:${PORT}`;

describe('a real API server', () => {
  let etcd: EtcdServer;
  let server: ChildProcess;
  let folder: string;

  before(async function start() {
    this.timeout(120_000);
    folder = await mkdtemp(join(tmpdir(), 'weft-api-'));
    await writeServerFiles(folder);
    etcd = await startEtcd();
    const [program = '', ...args] = apiServerCommand({
      folder,
      address: '127.0.0.1',
      port: PORT,
      etcdUrl: etcd.url,
    });
    server = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], { stdio: 'ignore' });
    const isReady = async (): Promise<boolean> => {
      const { status } = await call({ url: `${URL_OF_API}/readyz` }).catch(() => ({ status: 0 }));
      return status === 200;
    };
    await waitFor('the API server to be ready', isReady, 100_000);
    await applyRights(URL_OF_API);
  });
  after(async () => {
    server.kill('SIGKILL');
    await once(server, 'exit');
    await etcd.stop();
    await rm(folder, { recursive: true });
  });

  const nodeUrl = (name = ''): string => `${URL_OF_API}/api/v1/nodes${name === '' ? '' : `/${name}`}`;
  const addNode = async (name: string, podCIDRs: readonly string[] = []): Promise<void> => {
    const spec = podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0], podCIDRs };
    await mustCall({
      url: nodeUrl(),
      method: 'POST',
      body: { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec },
    });
  };
  const annotate = async (
    name: string,
    annotations: Readonly<Record<string, string | null>>,
  ): Promise<void> => {
    await mustCall({ url: `${nodeUrl(name)}/status`, method: 'PATCH', body: { metadata: { annotations } } });
  };
  const nodeOf = async (name: string): Promise<FakeNode> =>
    (await mustCall({ url: nodeUrl(name) })) as unknown as FakeNode;
  const deleteNode = async (name: string): Promise<void> =>
    void (await mustCall({ url: nodeUrl(name), method: 'DELETE' }));
  const deleteTaintRole = async (): Promise<void> => {
    const rbac = `${URL_OF_API}/apis/rbac.authorization.k8s.io/v1`;
    for (const kind of ['clusterrolebindings', 'clusterroles'])
      await mustCall({ url: `${rbac}/${kind}/weft-startup-taint`, method: 'DELETE' });
  };
  const deleteAll = async (): Promise<void> => {
    const { items } = (await mustCall({ url: nodeUrl() })) as { items?: FakeNode[] };
    for (const { metadata } of items ?? []) await deleteNode(metadata.name);
  };

  describeAssigningRegistry('real API server', async () => {
    const configPath = join(folder, `net-conf-${performance.now()}.json`);
    const registries: KubernetesRegistry[] = [];
    let hasTaintRole = false;
    return {
      registry: (nodeName) => {
        const registry = new KubernetesRegistry({
          access: {
            servers: [URL_OF_API],
            isTlsVerified: false,
            readAuthority: () => Promise.resolve(undefined),
            readCredentials: async () => ({ token: await tokenFor(URL_OF_API, nodeName) }),
            source: 'a token that is bound to the node',
          },
          names: parseAnnotationPrefix('flannel.alpha.coreos.com') as AnnotationNames,
          nodeName,
          configPath,
          setsCondition: true,
          startupTaint: STARTUP_TAINT,
          userAgent: 'suite',
          clock: systemClock,
          random: () => 0,
        });
        registries.push(registry);
        return registry;
      },
      addNode,
      assign: async (name, podCIDRs) => {
        await mustCall({
          url: nodeUrl(name),
          method: 'PATCH',
          body: { spec: { podCIDR: podCIDRs[0], podCIDRs } },
        });
      },
      annotate,
      annotations: async (name) => (await nodeOf(name)).metadata.annotations ?? {},
      heartbeat: async (name) => {
        const lastHeartbeatTime = new Date(
          Math.round(performance.timeOrigin + performance.now()),
        ).toISOString();
        const condition = {
          type: 'Ready',
          status: 'True',
          message: String(performance.now()),
          lastHeartbeatTime,
        };
        await mustCall({
          url: `${nodeUrl(name)}/status`,
          method: 'PATCH',
          body: { status: { conditions: [condition] } },
        });
      },
      deleteNode,
      condition: async (name) =>
        (await nodeOf(name)).status.conditions?.find(({ type }) => type === 'NetworkUnavailable'),
      taint: async (name, keys) => {
        await applyManifest(URL_OF_API, 'startup-taint.yaml');
        hasTaintRole = true;
        const taints = keys.map((key) => ({ key, effect: 'NoSchedule' }));
        await mustCall({ url: nodeUrl(name), method: 'PATCH', body: { spec: { taints } } });
      },
      taints: async (name) => (await nodeOf(name)).spec.taints?.map(({ key }) => key) ?? [],
      reports: async (name) => {
        const selector = `involvedObject.kind=Node,involvedObject.name=${name}`;
        const url = `${URL_OF_API}/api/v1/namespaces/default/events?fieldSelector=${encodeURIComponent(selector)}`;
        return ((await mustCall({ url })) as { items: FakeReport[] }).items;
      },
      dropWrites: async (isDropped) => {
        if (isDropped) await dropAnnotation(URL_OF_API, `${PREFIX}public-ip`);
        else await keepAnnotations(URL_OF_API);
      },
      putConfig: (config) => writeFile(configPath, config),
      close: async () => {
        for (const registry of registries) registry.close();
        if (hasTaintRole) await deleteTaintRole();
        await deleteAll();
      },
    };
  });

  describe("a token of weft's service account", () => {
    let token: string;
    const patch = (name: string, body: unknown, sub = '/status'): Promise<number> =>
      call({ url: `${nodeUrl(name)}${sub}`, method: 'PATCH', body, token }).then(({ status }) => status);

    before(async () => {
      await addNode('mine', ['10.244.1.0/24']);
      await addNode('other', ['10.244.2.0/24']);
      token = await tokenFor(URL_OF_API, 'mine');
      // The API server compiles a policy some time after it was created.
      const labels = { metadata: { labels: { probe: 'x' } } };
      const isInForce = async (): Promise<boolean> =>
        (await patch('mine', labels, '/status?dryRun=All')) === 422;
      await waitFor('the policy to be in force', isInForce);
    });
    after(deleteAll);
    afterEach(() => annotate('mine', { [`${PREFIX}public-ip`]: null }));

    it('changes annotations and the condition of its own node', async () => {
      assert.equal(
        await patch('mine', { metadata: { annotations: { [`${PREFIX}public-ip`]: '198.18.1.1' } } }),
        200,
      );
      const conditions = [{ type: 'NetworkUnavailable', status: 'False', reason: 'WeftIsUp', message: 'x' }];
      assert.equal(await patch('mine', { status: { conditions } }), 200);
    });

    for (const [what, name, body] of [
      [
        'annotations of another node',
        'other',
        { metadata: { annotations: { [`${PREFIX}public-ip`]: '203.0.113.1' } } },
      ],
      ['labels of its own node', 'mine', { metadata: { labels: { tier: 'control' } } }],
    ] as const)
      it(`does not change ${what}`, async () => {
        assert.equal(await patch(name, body), 422);
      });

    it('publishes the pod CIDRs that its Node has, and no others', async () => {
      const { uid } = (await nodeOf('mine')).metadata;
      const claim = (text: string): Promise<number> =>
        patch('mine', { metadata: { annotations: { [`${PREFIX}weft`]: text } } });
      const honest = JSON.stringify({ uid, podCidrs: ['10.244.1.0/24'], weft: { version: 1 } });
      assert.equal(await claim(honest), 200);
      for (const bad of [
        JSON.stringify({ uid, podCidrs: ['10.244.2.0/24'] }),
        JSON.stringify({ uid, podCidrs: ['10.244.1.0/24', '10.244.2.0/24'] }),
        `${honest.slice(0, -1)},"podCidrs":["10.244.2.0/24"]}`,
        `${honest.slice(0, -1)},"pod\\u0043idrs":["10.244.2.0/24"]}`,
        JSON.stringify({ uid: 'other', podCidrs: ['10.244.1.0/24'] }),
      ])
        assert.equal(await claim(bad), 422, bad);
      await annotate('mine', { [`${PREFIX}weft`]: null });
    });

    it('reports Events on its own node alone', async () => {
      const report = (name: string): Promise<number> =>
        call({
          url: `${URL_OF_API}/api/v1/namespaces/default/events`,
          method: 'POST',
          token,
          body: eventOf(
            { isWarning: true, reason: 'Probe', message: 'a message' },
            { nodeName: name, uid: undefined, at: new Date() },
          ),
        }).then(({ status }) => status);
      assert.equal(await report('mine'), 201);
      assert.equal(await report('other'), 422);
    });

    it('does not change the spec of a node, nor read secrets', async () => {
      assert.equal(await patch('mine', { spec: { unschedulable: true } }, ''), 403);
      assert.equal((await call({ url: `${URL_OF_API}/api/v1/secrets`, token })).status, 403);
    });

    it('removes the start-up taint with a role of its own, and no other taint', async () => {
      const taints = [STARTUP_TAINT, 'example.com/gpu'].map((key) => ({ key, effect: 'NoSchedule' }));
      await mustCall({ url: nodeUrl('mine'), method: 'PATCH', body: { spec: { taints } } });
      const keep = (...kept: readonly number[]): Promise<number> => {
        const spec = { taints: kept.map((index) => taints[index]) };
        return call({
          url: nodeUrl('mine'),
          method: 'PATCH',
          body: { spec },
          token,
          contentType: 'application/merge-patch+json',
        }).then(({ status }) => status);
      };
      assert.equal(await keep(1), 403);
      await applyManifest(URL_OF_API, 'startup-taint.yaml');
      await waitFor('the role to be in force', async () => (await keep(0)) === 422);
      assert.equal(await keep(1), 200);
      assert.equal(await patch('mine', { spec: { unschedulable: true } }, ''), 422);
      assert.equal(await patch('other', { spec: { taints: [] } }, ''), 422);
    });
  });
});

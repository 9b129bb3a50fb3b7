// What an administrator applies, on a real API server: weft.yaml and the chart are the same, every
// object is accepted as it is, and pods ask for no more than the network of their host needs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { ADMIN_TOKEN } from '../../lab/kubernetes/api-server.ts';
import { packageRoot } from '../../lab/package-root.ts';
import { waitFor } from '../../lab/wait.ts';
import { collectionOf } from '../support/kubernetes/manifest-objects.ts';
import { call, mustCall } from './real-api-server.ts';
import {
  create,
  parseManifests,
  startApiServer,
  type Manifest,
  type RunningApiServer,
} from './running-api-server.ts';

const FOLDER = join(packageRoot(), 'deploy/kubernetes');
const CHART = join(FOLDER, 'chart');
const HELM = process.env['HELM'] ?? '';

/** Renders the chart as `make kube-manifests` does. */
function render(...args: readonly string[]): string {
  const common = ['template', 'weft', CHART, '--namespace', 'weft-system'];
  return execFileSync(HELM, [...common, ...args], { encoding: 'utf8' });
}

interface Container {
  securityContext: { capabilities: { add?: string[] } };
  env?: { name: string; valueFrom?: { fieldRef?: { fieldPath: string } } }[];
}

interface PodSpec {
  nodeSelector?: Readonly<Record<string, string>>;
  affinity?: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: { matchExpressions: { key: string; operator: string; values?: string[] }[] }[];
      };
    };
  };
  hostNetwork?: boolean;
  containers: Container[];
  initContainers?: Container[];
  volumes: { name: string; hostPath?: unknown; emptyDir?: object }[];
}

function kubeconfigOf(server: string): object {
  return {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    clusters: [{ name: 'x', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'x', user: { token: ADMIN_TOKEN } }],
  };
}

/** What matters of flannel's own manifest. */
const FLANNEL: Manifest = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'kube-flannel-ds', namespace: 'kube-flannel' },
  spec: {
    selector: { matchLabels: { app: 'flannel' } },
    template: {
      metadata: { labels: { app: 'flannel' } },
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: 'kubernetes.io/os', operator: 'In', values: ['linux'] }] },
              ],
            },
          },
        },
        containers: [{ name: 'kube-flannel', image: 'flannel' }],
      },
    },
  },
};

/** Whether the DaemonSet controller starts such a pod on a node with these labels. */
function runsOn({ affinity, nodeSelector = {} }: PodSpec, labels: Readonly<Record<string, string>>): boolean {
  const required = affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
  const isSelected = Object.entries(nodeSelector).every(([key, value]) => labels[key] === value);
  const isAllowed = required?.some(({ matchExpressions }) =>
    matchExpressions.every(({ key, operator, values = [] }) =>
      operator === 'In' ? values.includes(labels[key] ?? '') : !Object.hasOwn(labels, key),
    ),
  );
  return isSelected && isAllowed !== false;
}

const podSpecOf = (daemonSet: Manifest): PodSpec =>
  structuredClone((daemonSet['spec'] as { template: { spec: PodSpec } }).template.spec);

describe('the manifests for Kubernetes', () => {
  let server: RunningApiServer;
  before(async function start() {
    this.timeout(120_000);
    server = await startApiServer(16_444);
  });
  after(() => server.stop());

  const read = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');
  const daemonSets = (manifests: readonly Manifest[]): Manifest[] =>
    manifests.filter(({ kind }) => kind === 'DaemonSet');

  it('are what the chart renders', () => {
    assert.equal(
      execFileSync(HELM, ['lint', '--strict', CHART], { encoding: 'utf8' }).includes('ERROR'),
      false,
    );
    for (const name of ['weft.yaml', 'rbac.yaml', 'cleanup.yaml']) {
      const args =
        read(name)
          .match(/^# helm template .*? weft-system (.*)$/m)?.[1]
          ?.split(' ') ?? [];
      assert.notEqual(args.length, 0, `${name} names its command`);
      assert.equal(
        read(name).replace(/^(?:#.*\n)+/, ''),
        render(...args),
        `${name}: run make kube-manifests`,
      );
    }
  });

  it('are installed, turned into the removal and uninstalled by helm', async function byHelm() {
    this.timeout(120_000);
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'by-helm' } };
    assert.equal((await create(server.url, namespace)).status, 201);
    const folder = mkdtempSync(join(tmpdir(), 'weft-helm-'));
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(server.url)));
    const helm = (...args: readonly string[]): string =>
      execFileSync(HELM, [...args, '--namespace', 'by-helm', '--kubeconfig', kubeconfig], {
        encoding: 'utf8',
        env: { HOME: folder, PATH: process.env['PATH'] },
      });
    const url = `${server.url}/apis/apps/v1/namespaces/by-helm/daemonsets/weft`;
    try {
      helm('install', 'weft', CHART, '--set', 'podCidr=10.9.0.0/16');
      assert.match(JSON.stringify(await mustCall({ url })), /"--kube-subnet-mgr"/);
      helm('upgrade', 'weft', CHART, '--reuse-values', '--set', 'cleanup=true');
      assert.match(JSON.stringify(await mustCall({ url })), /"--kube-node=\$\(NODE_NAME\)"/);
      helm('uninstall', 'weft');
      assert.equal((await call({ url })).status, 404);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('are accepted, first as a dry run and then for real, and twice', async () => {
    const [namespace, ...rest] = parseManifests(read('weft.yaml'));
    assert.equal((await create(server.url, namespace!, '&dryRun=All')).status, 201);
    assert.equal((await create(server.url, namespace!)).status, 201);
    for (const query of ['&dryRun=All', ''])
      for (const manifest of rest) {
        const { status, body } = await create(server.url, manifest, query);
        assert.equal(status, 201, `${manifest.kind}: ${body}`);
      }
    // What the API server added are defaults alone.
    for (const manifest of daemonSets(rest)) {
      const stored = await mustCall({
        url: `${server.url}${collectionOf(manifest)}/${manifest.metadata.name}`,
      });
      assert.deepEqual(withoutDefaults(stored['spec'], manifest['spec']), manifest['spec']);
    }
  });

  const VARIANTS: readonly (readonly [what: string, args: readonly string[]])[] = [
    ['dual stack with another backend', ['--set', 'podCidrv6=fd00:10::/48,backend.Type=host-gw']],
    ['IPv6 alone', ['--set', 'podCidr=,podCidrv6=fd00:10::/48']],
    [
      'pools with interfaces of their own',
      [
        '--set-json',
        'pools=[{"name":"","nodeSelector":{"rack":"a"}},{"name":"b","nodeSelector":{"rack":"b"},"interfaces":["eth1","bond0"]}]',
      ],
    ],
    ['metrics', ['--set', 'metrics.port=8082,metrics.service=true']],
    ['network policies', ['--set', 'networkPolicy.enabled=true']],
    [
      'labels, annotations and secrets',
      [
        '--set-json',
        'imagePullSecrets=[{"name":"registry"}],podLabels={"a":"b"},podAnnotations={"c":"d"},daemonSetAnnotations={"e":"f"},commonLabels={"team":"net"}',
      ],
    ],
    ['an API server outside of the cluster network', ['--set', 'kubernetesApi.host=192.0.2.1']],
    ['an image by digest', ['--set', `image.digest=sha256:${'0'.repeat(64)}`]],
    ['a device for userspace', ['--set', 'tun=true', '--set-json', 'extraCapabilities=["BPF","PERFMON"]']],
    ['plugins of another program', ['--set', 'cni.install=false']],
    ['the removal from each node', ['--set', 'cleanup=true,kubernetesApi.host=192.0.2.1']],
    ['no admission policy', ['--set', 'admissionPolicy=false,ipMasq=false']],
  ];
  for (const [what, args] of VARIANTS)
    it(`are accepted with ${what}`, async () => {
      for (const manifest of parseManifests(render(...args))) {
        const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'weft-system' } };
        await create(server.url, namespace);
        const { status, body } = await create(server.url, manifest, '&dryRun=All');
        // 409: it exists since the test above; the API server validates an object before it says so.
        assert.ok(
          status === 201 || status === 409,
          `${manifest.kind} ${manifest.metadata.name}: ${status} ${body}`,
        );
      }
    });

  it('run kube-network-policies on each node, with rights to read what it needs and no more', async () => {
    const args = ['--set', 'networkPolicy.enabled=true,networkPolicy.image=registry.example/policies:1'];
    const secrets = ['--set-json', 'imagePullSecrets=[{"name":"registry"}]'];
    const manifests = parseManifests(render(...args, ...secrets));
    const policy = manifests.filter(({ metadata }) => metadata.name === 'weft-network-policy');
    assert.deepEqual(policy.map(({ kind }) => kind).toSorted(), [
      'ClusterRole',
      'ClusterRoleBinding',
      'DaemonSet',
      'ServiceAccount',
    ]);
    const pod = podSpecOf(daemonSets(policy)[0]!) as unknown as Record<string, unknown>;
    const [container] = pod['containers'] as Record<string, unknown>[];
    assert.equal(container!['image'], 'registry.example/policies:1');
    // Its image has a command and no entry point.
    assert.deepEqual(container!['command'], ['/bin/netpol']);
    assert.deepEqual(container!['args'], ['--hostname-override=$(NODE_NAME)', '--v=2']);
    assert.deepEqual(container!['securityContext'], { capabilities: { add: ['NET_ADMIN'] } });
    assert.deepEqual([pod['hostNetwork'], pod['imagePullSecrets']], [true, [{ name: 'registry' }]]);

    await create(server.url, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'weft-system' } });
    for (const manifest of policy) {
      const { status, body } = await create(server.url, manifest);
      assert.equal(status, 201, body);
    }
    const account = `${server.url}/api/v1/namespaces/weft-system/serviceaccounts/weft-network-policy`;
    const answer = await mustCall({ url: `${account}/token`, method: 'POST', body: {} });
    const { token } = answer['status'] as { token: string };
    const statusOf = async (path: string): Promise<number> =>
      (await call({ url: `${server.url}${path}`, token })).status;
    // A new role takes effect a moment later.
    await waitFor('the role to be in force', async () => (await statusOf('/api/v1/pods')) === 200);
    for (const path of ['/api/v1/namespaces', '/apis/networking.k8s.io/v1/networkpolicies'])
      assert.equal(await statusOf(path), 200, path);
    for (const path of ['/api/v1/secrets', '/api/v1/configmaps'])
      assert.equal(await statusOf(path), 403, path);
  });

  it('give each pod the name of its node, which only the API server could answer else', () => {
    const rendered = VARIANTS.map(([what, args]) => [what, render(...args)] as const);
    const texts = [...['weft.yaml', 'cleanup.yaml'].map((name) => [name, read(name)] as const), ...rendered];
    for (const [what, text] of texts)
      for (const daemonSet of daemonSets(parseManifests(text))) {
        const { containers, initContainers = [] } = podSpecOf(daemonSet);
        const env = [...initContainers, ...containers].flatMap((container) => container.env ?? []);
        const names = env.filter(({ name }) => name === 'NODE_NAME');
        assert.equal(names.length, 1, `${what}: ${daemonSet.metadata.name}`);
        assert.equal(names[0]?.valueFrom?.fieldRef?.fieldPath, 'spec.nodeName');
      }
  });

  it('select disjoint nodes and pods by pool', () => {
    const args = VARIANTS.find(([what]) => what.startsWith('pools'))![1];
    const found = daemonSets(parseManifests(render(...args)));
    assert.deepEqual(
      found.map(({ metadata }) => metadata.name),
      ['weft', 'weft-b'],
    );
    assert.match(JSON.stringify(found[1]), /--iface=eth1","--iface=bond0/);
    assert.doesNotMatch(JSON.stringify(found[0]), /--iface/);
  });

  it('replace the daemon by what removes it, under the same name and selector', async () => {
    const [daemon] = daemonSets(parseManifests(read('weft.yaml')));
    const [cleanup] = daemonSets(parseManifests(read('cleanup.yaml')));
    assert.equal(cleanup!.metadata.name, daemon!.metadata.name);
    const selectorOf = ({ spec }: Manifest): unknown => (spec as { selector: unknown }).selector;
    assert.deepEqual(selectorOf(cleanup!), selectorOf(daemon!));
    const url = `${server.url}${collectionOf(daemon!)}/weft`;
    const stored = await mustCall({ url });
    const { resourceVersion } = stored['metadata'] as { resourceVersion: string };
    const metadata = { ...cleanup!.metadata, resourceVersion };
    await mustCall({
      url: `${url}?fieldValidation=Strict&dryRun=All`,
      method: 'PUT',
      body: { ...cleanup, metadata },
    });
  });

  it('move nodes from flannel by a label, as the guide says', async () => {
    const guide = readFileSync(join(packageRoot(), 'docs/how-to/use-kubernetes.md'), 'utf8');
    const patch: unknown = JSON.parse(
      /patch daemonset kube-flannel-ds --type merge -p '(.*)'/.exec(guide)![1]!,
    );
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-flannel' } };
    assert.equal((await create(server.url, namespace)).status, 201);
    assert.equal((await create(server.url, FLANNEL)).status, 201);
    const url = `${server.url}${collectionOf(FLANNEL)}/kube-flannel-ds`;
    const flannel = await mustCall({
      url,
      method: 'PATCH',
      body: patch,
      contentType: 'application/merge-patch+json',
    });

    const sed = /^sed '(.*)' deploy/m.exec(guide)![1]!;
    const yaml = execFileSync('sed', [sed, join(FOLDER, 'weft.yaml')], { encoding: 'utf8' });
    const manifests = parseManifests(yaml);
    for (const manifest of manifests) {
      const { status, body } = await create(server.url, manifest, '&dryRun=All');
      assert.ok(status === 201 || status === 409, body);
    }
    const weft = daemonSets(manifests)[0]!;
    const linux = { 'kubernetes.io/os': 'linux' };
    for (const [labels, expected] of [
      [linux, ['kube-flannel-ds']],
      [{ ...linux, weft: 'true' }, ['weft']],
    ] as const) {
      const chosen = [flannel as Manifest, weft].filter((daemonSet) => runsOn(podSpecOf(daemonSet), labels));
      assert.deepEqual(
        chosen.map(({ metadata }) => metadata.name),
        expected,
      );
    }
    // The last step takes the label out of the selector again.
    assert.deepEqual(podSpecOf(daemonSets(parseManifests(read('weft.yaml')))[0]!).nodeSelector, linux);
  });

  it('hold a network config and a conflist that are JSON', () => {
    const { data } = parseManifests(read('weft.yaml')).find(
      ({ kind }) => kind === 'ConfigMap',
    ) as unknown as {
      data: Record<string, string>;
    };
    assert.deepEqual(JSON.parse(data['net-conf.json']!), {
      Network: '10.244.0.0/16',
      Backend: { Type: 'vxlan' },
    });
    const { name, plugins } = JSON.parse(data['cni-conf.json']!) as {
      name: string;
      plugins: { type: string }[];
    };
    assert.deepEqual([name, ...plugins.map(({ type }) => type)], ['cbr0', 'weft-cni', 'portmap']);
  });

  it('meet the baseline of Pod Security but for what the network of the host needs', async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'baseline', labels } };
    assert.equal((await create(server.url, namespace)).status, 201);
    const account = {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'weft', namespace: 'baseline' },
    };
    assert.equal((await create(server.url, account)).status, 201);
    const [daemonSet] = daemonSets(parseManifests(read('weft.yaml')));
    const podOf = (spec: PodSpec): Manifest => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'weft', namespace: 'baseline' },
      spec,
    });

    const rejected = await create(server.url, podOf(podSpecOf(daemonSet!)), '&dryRun=All');
    assert.equal(rejected.status, 403, rejected.body);
    const { message } = JSON.parse(rejected.body) as { message: string };
    const violations = message.replace(/^.*?"baseline:latest": /, '').replaceAll(/ \([^)]*\)/g, '');
    assert.deepEqual(violations.split(', ').toSorted(), [
      'host namespaces',
      'hostPath volumes',
      'non-default capabilities',
    ]);

    const spec = podSpecOf(daemonSet!);
    delete spec.hostNetwork;
    delete spec.containers[0]!.securityContext.capabilities.add;
    spec.volumes = spec.volumes.map((volume) =>
      volume.hostPath === undefined ? volume : { name: volume.name, emptyDir: {} },
    );
    const { status, body } = await create(server.url, podOf(spec), '&dryRun=All');
    assert.equal(status, 201, body);
  });
});

/** `stored` with the members alone that `wanted` has. */
function withoutDefaults(stored: unknown, wanted: unknown): unknown {
  if (Array.isArray(stored) && Array.isArray(wanted))
    return stored.map((member, index) => withoutDefaults(member, wanted[index]));
  if (typeof stored !== 'object' || stored === null || typeof wanted !== 'object' || wanted === null)
    return stored;
  return Object.fromEntries(
    Object.keys(wanted).map((key) => [
      key,
      withoutDefaults((stored as Record<string, unknown>)[key], (wanted as Record<string, unknown>)[key]),
    ]),
  );
}

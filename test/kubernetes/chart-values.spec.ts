// Values of the chart that an administrator sets, in the objects that they are for. Whether an API
// server accepts these is asked in kube-install.spec.ts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { packageRoot } from '../../lab/package-root.ts';
import { parseManifests, type Manifest } from './running-api-server.ts';

const HELM = process.env['HELM'] ?? '';
const CHART = join(packageRoot(), 'deploy/kubernetes/chart');

type Tree = Readonly<Record<string, unknown>>;

function render(values: Tree): readonly Manifest[] {
  const sets = Object.entries(values).flatMap(([name, value]) => [
    '--set-json',
    `${name}=${JSON.stringify(value)}`,
  ]);
  const args = ['template', 'weft', CHART, '--namespace', 'weft-system', ...sets];
  return parseManifests(execFileSync(HELM, args, { encoding: 'utf8' }));
}

/** The value at a path like `spec.template.spec.containers.0`; `undefined` if there is none. */
function at(tree: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, key) => (value as Tree | undefined)?.[key.replaceAll('|', '.')], tree);
}

const daemonSetOf = (manifests: readonly Manifest[]): Manifest =>
  manifests.find(({ kind }) => kind === 'DaemonSet')!;

const POD = 'spec.template.spec';
const DAEMON = `${POD}.containers.0`;
const LIMITED = { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '50m', memory: '90Mi' } };
const TOLERATIONS = [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }];
const AFFINITY = {
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } },
};

describe('values of the chart', () => {
  for (const [name, value, path] of [
    ['resources', LIMITED, `${DAEMON}.resources`],
    ['tolerations', TOLERATIONS, `${POD}.tolerations`],
    ['affinity', AFFINITY, `${POD}.affinity`],
    ['priorityClassName', 'low', `${POD}.priorityClassName`],
    ['imagePullSecrets', [{ name: 'registry' }], `${POD}.imagePullSecrets`],
    ['terminationGracePeriodSeconds', 3, `${POD}.terminationGracePeriodSeconds`],
    ['maxUnavailable', 2, 'spec.updateStrategy.rollingUpdate.maxUnavailable'],
    ['seccompProfile', { type: 'Unconfined' }, `${POD}.securityContext.seccompProfile`],
    ['podLabels.team', 'net', 'spec.template.metadata.labels.team'],
    ['podAnnotations.note', 'x', 'spec.template.metadata.annotations.note'],
    ['daemonSetAnnotations.note', 'x', 'metadata.annotations.note'],
    ['commonLabels.team', 'net', 'metadata.labels.team'],
    ['healthPort', 9099, `${DAEMON}.readinessProbe.httpGet.port`],
  ] as const)
    it(`${name} reaches the DaemonSet`, () =>
      assert.deepEqual(at(daemonSetOf(render({ [name]: value })), path), value));

  it('make a network config of both families and any backend', () => {
    const values = {
      podCidrv6: 'fd00:10::/48',
      backend: { Type: 'wireguard', Port: 51_999 },
      netConf: { EnableNFTables: true },
    };
    const config = render(values).find(({ metadata }) => metadata.name === 'weft-config');
    assert.deepEqual(JSON.parse(at(config, 'data.net-conf|json') as string), {
      Network: '10.244.0.0/16',
      EnableIPv6: true,
      IPv6Network: 'fd00:10::/48',
      Backend: { Type: 'wireguard', Port: 51_999 },
      EnableNFTables: true,
    });
  });

  it('let a PodMonitor and a Service find the port of metrics', () => {
    const manifests = render({ metrics: { port: 8082, service: true, podMonitor: true, interval: '15s' } });
    const daemonSet = daemonSetOf(manifests);
    const labels = at(daemonSet, 'spec.template.metadata.labels') as Tree;
    const ports = at(daemonSet, `${DAEMON}.ports`) as readonly { name: string; containerPort: number }[];
    assert.deepEqual(
      ports.map(({ containerPort, name }) => [name, containerPort]),
      [['metrics', 8082]],
    );
    const monitor = manifests.find(({ kind }) => kind === 'PodMonitor');
    const service = manifests.find(({ kind }) => kind === 'Service');
    assert.deepEqual(at(monitor, 'spec.podMetricsEndpoints'), [{ port: 'metrics', interval: '15s' }]);
    assert.equal(at(service, 'spec.ports.0.targetPort'), 'metrics');
    for (const selector of [at(monitor, 'spec.selector.matchLabels'), at(service, 'spec.selector')])
      for (const [key, value] of Object.entries(selector as Tree)) assert.equal(labels[key], value);
  });
});

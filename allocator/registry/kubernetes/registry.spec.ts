import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import {
  describeAssigningRegistry,
  PREFIX,
  STARTUP_TAINT,
} from '../../../test/compliance/assigning-registry.ts';
import { FakeApiServer } from '../../../test/support/kubernetes/fake-api-server.ts';
import { findAccess } from './find-access.ts';
import { parseAnnotationPrefix, type AnnotationNames } from './annotations.ts';
import { KubernetesRegistry } from './registry.ts';

describeAssigningRegistry('fake API server', async () => {
  const server = await FakeApiServer.start();
  const folder = await mkdtemp(join(tmpdir(), 'weft-kube-'));
  const configPath = join(folder, 'net-conf.json');
  const access = await findAccess({ apiUrl: server.url, kubeconfigFile: '' }, {});
  const registries: KubernetesRegistry[] = [];
  const later = <T>(action: () => T): Promise<T> => Promise.resolve(action());
  return {
    registry: (nodeName) => {
      const registry = new KubernetesRegistry({
        access,
        names: parseAnnotationPrefix('flannel.alpha.coreos.com') as AnnotationNames,
        nodeName,
        configPath,
        setsCondition: true,
        startupTaint: STARTUP_TAINT,
        userAgent: 'spec',
        clock: systemClock,
        random: () => 0,
      });
      registries.push(registry);
      return registry;
    },
    addNode: (name, cidrs) => later(() => server.addNode(name, cidrs)),
    assign: (name, cidrs) => later(() => server.assign(name, cidrs)),
    annotate: (name, annotations) => later(() => server.annotate(name, annotations)),
    annotations: (name) => later(() => server.nodes.get(name)!.metadata.annotations ?? {}),
    heartbeat: (name) => later(() => server.heartbeat(name)),
    deleteNode: (name) => later(() => server.deleteNode(name)),
    condition: (name) => later(() => server.nodes.get(name)!.status.conditions?.[0]),
    taint: (name, keys) => later(() => server.taint(name, keys)),
    taints: (name) => later(() => server.nodes.get(name)!.spec.taints?.map(({ key }) => key) ?? []),
    reports: (name) =>
      later(() => server.reports.filter(({ involvedObject }) => involvedObject.name === name)),
    dropWrites: (isDropped) =>
      later(() => void (isDropped ? server.dropped.add(`${PREFIX}public-ip`) : server.dropped.clear())),
    putConfig: (text) => writeFile(configPath, text),
    close: async () => {
      for (const registry of registries) registry.close();
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
});

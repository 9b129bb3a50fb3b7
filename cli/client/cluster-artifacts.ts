// What weft left of itself for Kubernetes: conflists and plugins of container runtimes on this host,
// compiled code, and the annotations of its Node. Finds them only.
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ApiClient,
  findAccess,
  parseAnnotationPrefix,
  publishedAnnotations,
  unpublish,
} from '../../allocator/registry/kubernetes/index.ts';
import type { Artifact } from '../../daemon/cleanup/artifacts.ts';
import { networkConfigs } from '../../daemon/cni/network-configs.ts';
import { pluginFilesIn } from '../../daemon/cni/plugin-files.ts';
import { weftVersion } from '../../daemon/node/version.ts';
import { systemClock } from '../../lib/clock.ts';
import { UsageError } from '../usage-error.ts';

export interface ClusterPlaces {
  /** Folder of conflists; unset leaves them. */
  readonly confDir: string | undefined;
  /** Folder of plugins; unset leaves them. */
  readonly binDir: string | undefined;
  /** Folder of compiled code; unset leaves it. */
  readonly cacheDir: string | undefined;
  /** Name of the Node; unset leaves it. */
  readonly nodeName: string | undefined;
  readonly apiUrl: string;
  readonly kubeconfigFile: string;
  readonly prefix: string;
}

/** @throws RegistryError if the API server does not answer, UsageError for a wrong prefix. */
export async function findClusterArtifacts(places: ClusterPlaces): Promise<readonly Artifact[]> {
  const { binDir, cacheDir, confDir, nodeName } = places;
  return [
    // First, so that no runtime calls plugins that are gone.
    ...(confDir === undefined ? [] : await findConflists(confDir)),
    ...(binDir === undefined ? [] : pluginFilesIn(binDir).map((path) => fileArtifact(path))),
    ...(cacheDir === undefined ? [] : await findCompiledCode(cacheDir)),
    ...(nodeName === undefined ? [] : await findNode(nodeName, places)),
  ];
}

async function findConflists(confDir: string): Promise<readonly Artifact[]> {
  const found: Artifact[] = [];
  for (const name of networkConfigs(await readdir(confDir).catch(() => []))) {
    const path = join(confDir, name);
    const text = await readFile(path, 'utf8').catch(() => '');
    if (/"type"\s*:\s*"weft-cni"/.test(text)) found.push(fileArtifact(path));
  }
  return found;
}

/** By the names that cli/daemon-start.ts and the bundle give it: the folder may be of others as well. */
async function findCompiledCode(cacheDir: string): Promise<readonly Artifact[]> {
  const names = await readdir(cacheDir).catch(() => []);
  return names
    .filter((name) => /^weft(-packages)?\.cjs(\.\d+)?$/.test(name))
    .map((name) => fileArtifact(join(cacheDir, name)));
}

function fileArtifact(path: string): Artifact {
  const remove = (): Promise<string | undefined> =>
    rm(path, { recursive: true }).then(
      () => undefined,
      (error: Error) => error.message,
    );
  return { kind: 'file', name: path, remove };
}

async function findNode(nodeName: string, places: ClusterPlaces): Promise<readonly Artifact[]> {
  const names = parseAnnotationPrefix(places.prefix);
  if (typeof names === 'string')
    throw new UsageError(`--kube-annotation-prefix ${JSON.stringify(places.prefix)}: ${names}`);
  const access = await findAccess(places, process.env);
  const client = new ApiClient({ access, clock: systemClock, userAgent: `weft/${weftVersion()}` });
  const node = { client, names, nodeName };
  const annotations = await publishedAnnotations(node).finally(() => client.reconnect());
  if (annotations.length === 0) return [];
  const remove = (): Promise<string | undefined> =>
    unpublish(node, Date.now())
      .then(
        () => undefined,
        (error: Error) => error.message,
      )
      .finally(() => client.close());
  const name = `${nodeName}: ${annotations.length} annotations; NetworkUnavailable becomes true`;
  return [{ kind: 'node', name, remove }];
}

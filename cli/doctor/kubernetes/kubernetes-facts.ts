// What the Kubernetes API answers to `weft doctor`, with or without a daemon.
import { hrtime } from 'node:process';
import type { NetworkConfig } from '../../../allocator/config/config.ts';
import { parseNetworkConfig } from '../../../allocator/config/config-parse.ts';
import type { ClusterAccess } from '../../../allocator/registry/kubernetes/access.ts';
import type { ApiClient } from '../../../allocator/registry/kubernetes/api-client.ts';
import type { NodeObject } from '../../../allocator/registry/kubernetes/node-record.ts';
import type { RegistryError } from '../../../allocator/registry/registry.ts';
import type { KubernetesOptions } from '../../../daemon/options/kubernetes-options.ts';
import { systemClock } from '../../../lib/clock.ts';
import type { Facts } from '../facts.ts';

/** Rights that a daemon needs, in the form of a SelfSubjectAccessReview. */
export const RIGHTS = [
  { verb: 'get', resource: 'nodes' },
  { verb: 'list', resource: 'nodes' },
  { verb: 'watch', resource: 'nodes' },
  { verb: 'patch', resource: 'nodes', subresource: 'status' },
] as const;

/** What one API server answers about this host's own Node. */
export interface ServerAnswer {
  readonly server: string;
  readonly latencyMs: number;
  readonly node?: NodeObject;
  readonly error?: RegistryError;
}

const TIMEOUT_MS = 5000;

/**
 * Asks each configured API server for the own Node, and again where that takes more than `slowMs`.
 * Rejects if none is configured.
 */
export async function askServers(
  options: KubernetesOptions,
  nodeName: string,
  slowMs: number,
): Promise<ServerAnswer[]> {
  const { ApiClient, findAccess } = await import('../../../allocator/registry/kubernetes/index.ts');
  const access = await findAccess(options, process.env);
  const ask = async (server: string): Promise<ServerAnswer> => {
    const client = new ApiClient(clientOptions({ ...access, servers: [server] }));
    try {
      const first = await askOnce(client, server, nodeName);
      // The first time has the set-up of TLS, and the other checks begin then, on a processor or two.
      const isSlow = first.node !== undefined && first.latencyMs > slowMs;
      const second = isSlow ? await askOnce(client, server, nodeName) : first;
      return second.node !== undefined && second.latencyMs < first.latencyMs ? second : first;
    } finally {
      client.close();
    }
  };
  return Promise.all(access.servers.map(ask));
}

/** URLs of the configured API servers. Rejects if none is configured. */
export async function serversOf(options: KubernetesOptions): Promise<readonly string[]> {
  const { findAccess } = await import('../../../allocator/registry/kubernetes/index.ts');
  return (await findAccess(options, process.env)).servers;
}

async function askOnce(client: ApiClient, server: string, nodeName: string): Promise<ServerAnswer> {
  const startedNs = hrtime.bigint();
  const latency = (): number => Number(hrtime.bigint() - startedNs) / 1e6;
  const path = `/api/v1/nodes/${encodeURIComponent(nodeName)}`;
  try {
    const node = await client.json<NodeObject>({ path, timeoutMs: TIMEOUT_MS });
    return { server, latencyMs: latency(), node };
  } catch (error) {
    return { server, latencyMs: latency(), error: error as RegistryError };
  }
}

/** Rights of {@link RIGHTS} that the credentials of this host do not have, like `patch nodes/status`. */
export async function missingRights(options: KubernetesOptions): Promise<readonly string[]> {
  const { ApiClient, findAccess } = await import('../../../allocator/registry/kubernetes/index.ts');
  const client = new ApiClient(clientOptions(await findAccess(options, process.env)));
  try {
    const answers = await Promise.all(RIGHTS.map((right) => isAllowed(client, right)));
    return RIGHTS.filter((_right, index) => answers[index] === false).map(
      (right) => `${right.verb} ${right.resource}${'subresource' in right ? `/${right.subresource}` : ''}`,
    );
  } finally {
    client.close();
  }
}

/** `undefined` if the server does not say. */
async function isAllowed(client: ApiClient, right: object): Promise<boolean | undefined> {
  try {
    const { status } = await client.json<{ status?: { allowed?: boolean } }>({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      timeoutMs: TIMEOUT_MS,
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: right },
      },
    });
    return status?.allowed;
  } catch {
    return undefined;
  }
}

function clientOptions(access: ClusterAccess) {
  return { access, clock: systemClock, userAgent: 'weft-doctor' };
}

/** The network config of the file that the daemon reads; `undefined` if there is no valid one. */
export async function fileConfig(facts: Facts, path: string): Promise<NetworkConfig | undefined> {
  const text = await facts.file(path.replace(/^\//, ''));
  const result = text === undefined ? undefined : parseNetworkConfig(text);
  return result?.ok === true ? result.config : undefined;
}

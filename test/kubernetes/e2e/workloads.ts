// Pods of the tests, and traffic between them.
import { waitFor } from '../../../lab/wait.ts';
import { BOX_IMAGE } from './box-image.ts';
import type { Cluster, NodeName } from './cluster.ts';

export interface Pod {
  /** Of the pod, and of its network namespace in the lab. */
  readonly name: string;
  /** One a family. */
  readonly addresses: readonly string[];
}

interface PodObject {
  readonly status: {
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly containerID?: string }[];
  };
}

/** A pod that serves its name by HTTP on port 8080. */
function manifestOf(name: string, node: NodeName): string {
  const script = 'mkdir -p /tmp/w && hostname > /tmp/w/index.html && exec httpd -f -p 8080 -h /tmp/w';
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'web' } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'box',
          image: BOX_IMAGE,
          imagePullPolicy: 'Never',
          command: ['/bin/sh', '-c', script],
          readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
        },
      ],
    },
  });
}

/** Makes a pod on a node and waits until it is ready. */
export async function startPod(cluster: Cluster, name: string, node: NodeName): Promise<Pod> {
  await cluster.apply(manifestOf(name, node));
  await waitFor(`pod ${name} to be ready`, async () => {
    const { status } = await cluster.get<PodObject>(['pod', name]);
    return (
      status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false
    );
  });
  const { status } = await cluster.get<PodObject>(['pod', name]);
  const id = status.containerStatuses![0]!.containerID!.replace('containerd://', '');
  const tasks = await cluster.checkOnNode(node, ['ctr', '-n', 'k8s.io', 'tasks', 'ls']);
  const pid = new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(tasks)![1]!;
  await cluster.lab.sandbox.run(['ip', 'netns', 'delete', name]);
  await cluster.lab.sandbox.check(['ip', 'netns', 'attach', name, pid]);
  return { name, addresses: status.podIPs!.map(({ ip }) => ip) };
}

/** A service in front of all pods of {@link startPod}. Returns its addresses, one a family. */
export async function startService(cluster: Cluster, name: string): Promise<readonly string[]> {
  const spec = {
    selector: { app: 'web' },
    ports: [{ port: 80, targetPort: 8080 }],
    ipFamilyPolicy: 'PreferDualStack',
  };
  await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec }));
  return (await cluster.get<{ spec: { clusterIPs: string[] } }>(['service', name])).spec.clusterIPs;
}

/** The last line of what an HTTP server answers to a pod: the name of the pod that serves. */
export async function fetchFrom(cluster: Cluster, from: Pod, host: string, port = 80): Promise<string> {
  const script = `exec 3<>/dev/tcp/$0/$1 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 5 cat <&3`;
  const argv = ['timeout', '10', 'bash', '--norc', '-c', script, host, String(port)];
  const answer = await cluster.lab.check(from.name, argv);
  return answer.trim().split('\n').at(-1)!;
}

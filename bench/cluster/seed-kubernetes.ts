// Nodes that exist only in the Kubernetes API, as kubelet, kubeadm and weft write them: 14 KB each, with 40 images. Run
// as a process of its own beside the API server: `seed-kubernetes.js URL TOKEN`, one JSON command a line on standard
// input, one answer each:
//   {"seed": COUNT}          nodes 0..COUNT-1               {"own": NAME}       the node of a real host, without annotations
//   {"heartbeats": COUNT}    a status of nodes 0..COUNT-1 each, as kubelets report it every five minutes
// Answer: {"atMs": UNIX_TIME} once the API server acknowledged.
import { Agent, request } from 'node:https';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fakePeer } from './seed.ts';

const PREFIX = 'flannel.alpha.coreos.com/';
const STRATEGIC_MERGE = 'application/strategic-merge-patch+json';
const PARALLEL = 16;
const IMAGES = 40;

const [url = '', token = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL, rejectUnauthorized: false });

async function call(method: string, path: string, body: object): Promise<{ metadata: { uid: string } }> {
  const contentType = method === 'PATCH' ? STRATEGIC_MERGE : 'application/json';
  const { answer, status } = await new Promise<{ answer: string; status: number }>((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': contentType };
    const outgoing = request(`${url}${path}`, { method, agent, headers });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      text(response).then((all) => resolve({ answer: all, status: response.statusCode ?? 0 }), reject);
    });
    outgoing.end(JSON.stringify(body));
  });
  if (status > 299) throw new Error(`${method} ${path}: ${status} ${answer.slice(0, 300)}`);
  return JSON.parse(answer) as { metadata: { uid: string } };
}

const hex = (seed: number, digits: number): string =>
  Array.from({ length: digits }, (_, at) =>
    ((seed * 31 + at * 17 + ((seed * at) % 13)) & 15).toString(16),
  ).join('');

const images = Array.from({ length: IMAGES }, (_, index) => ({
  names: [
    `registry.example.com/team-${index % 7}/service-${index}@sha256:${hex(index + 1, 64)}`,
    `registry.example.com/team-${index % 7}/service-${index}:v1.${index}.3`,
  ],
  sizeBytes: 10_000_000 + index * 12_345,
}));

function conditions(): object[] {
  const lastHeartbeatTime = new Date(performance.timeOrigin + performance.now()).toISOString();
  return [
    ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'],
  ].map(([type, status, reason, message]) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime,
    lastTransitionTime: '2026-11-01T00:00:00Z',
  }));
}

function statusOf(name: string): object {
  const memory = { memory: '131535256Ki', pods: '110', cpu: '32', 'ephemeral-storage': '103679712Ki' };
  return {
    addresses: [
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'Hostname', address: name },
    ],
    allocatable: memory,
    capacity: memory,
    conditions: conditions(),
    daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
    images,
    nodeInfo: {
      architecture: 'amd64',
      bootID: '0b1c4b4e-9a65-4a3e-8c43-6a0a6f2d5f10',
      containerRuntimeVersion: 'containerd://2.1.4',
      kernelVersion: '6.8.0-84-generic',
      kubeProxyVersion: '',
      kubeletVersion: 'v1.37.2',
      machineID: hex(7, 32),
      operatingSystem: 'linux',
      osImage: 'Ubuntu 24.04.3 LTS',
      systemUUID: '0b1c4b4e-9a65-4a3e-8c43-6a0a6f2d5f10',
    },
  };
}

const nameOf = (index: number): string => `node-${String(index).padStart(5, '0')}.cluster.example.com`;

function nodeOf(name: string, podCIDR: string): object {
  const labels = {
    'beta.kubernetes.io/arch': 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'node.kubernetes.io/instance-type': 'm6i.8xlarge',
    'topology.kubernetes.io/region': 'eu-central-1',
    'topology.kubernetes.io/zone': 'eu-central-1a',
  };
  const annotations = {
    'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
    'kubeadm.alpha.kubernetes.io/cri-socket': 'unix:///run/containerd/containerd.sock',
    'node.alpha.kubernetes.io/ttl': '0',
  };
  const spec = { podCIDR, podCIDRs: [podCIDR] };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels, annotations }, spec };
}

async function addPeer(index: number): Promise<void> {
  const name = nameOf(index);
  const { mac, publicIp, subnet } = fakePeer(index);
  const { metadata } = await call('POST', '/api/v1/nodes?fieldManager=kubeadm', nodeOf(name, `${subnet}/24`));
  const path = `/api/v1/nodes/${name}/status`;
  await call('PATCH', `${path}?fieldManager=kubelet`, { status: statusOf(name) });
  const annotations = {
    [`${PREFIX}kube-subnet-manager`]: 'true',
    [`${PREFIX}backend-type`]: 'vxlan',
    [`${PREFIX}backend-data`]: JSON.stringify({ VNI: 1, VtepMAC: mac }),
    [`${PREFIX}public-ip`]: publicIp,
    [`${PREFIX}weft`]: JSON.stringify({ uid: metadata.uid, podCidrs: [`${subnet}/24`] }),
  };
  await call('PATCH', `${path}?fieldManager=weft`, { metadata: { annotations } });
}

async function forEach(count: number, action: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < count) await action(next++);
  };
  await Promise.all(Array.from({ length: PARALLEL }, run));
}

async function execute(command: { seed?: number; own?: string; heartbeats?: number }): Promise<void> {
  await forEach(command.seed ?? 0, addPeer);
  if (command.own !== undefined) await call('POST', '/api/v1/nodes', nodeOf(command.own, '10.1.1.0/24'));
  await forEach(command.heartbeats ?? 0, (index) =>
    call('PATCH', `/api/v1/nodes/${nameOf(index)}/status?fieldManager=kubelet`, {
      status: { conditions: conditions() },
    }),
  );
}

for await (const line of createInterface({ input: process.stdin })) {
  await execute(JSON.parse(line) as object);
  console.log(JSON.stringify({ atMs: performance.timeOrigin + performance.now() }));
}

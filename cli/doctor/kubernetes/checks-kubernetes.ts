// Checks of hosts whose registry is the Kubernetes API: its servers, rights, and the own Node.
import { isInside } from '../../../lib/address.ts';
import { parsePodCidrs } from '../../../allocator/registry/kubernetes/node-lease.ts';
import type { NodeObject } from '../../../allocator/registry/kubernetes/node-record.ts';
import type { KubernetesOptions } from '../../../daemon/options/kubernetes-options.ts';
import { truncate, type Check, type Found } from '../check.ts';
import type { Facts } from '../facts.ts';
import { kubeClock } from '../clock-check.ts';
import { askServers, fileConfig, missingRights, type ServerAnswer } from './kubernetes-facts.ts';
import { shellWord } from '../text/shell-word.ts';

const IMPACT =
  'Packets follow the last kernel state; nodes that join, leave or change, and changes of this one, are not seen';

async function nodeNameOf(facts: Facts): Promise<string | undefined> {
  const [options, status] = await Promise.all([facts.kubernetes, facts.status]);
  return options !== undefined && 'name' in options.node ? options.node.name : status?.lease?.key;
}

function answersOf(facts: Facts): Promise<readonly ServerAnswer[]> {
  return facts.once('api-servers', async () => {
    const [options, name] = await Promise.all([facts.kubernetes, nodeNameOf(facts)]);
    return options === undefined || name === undefined ? [] : askServers(options, name, facts.slowApiMs);
  });
}

async function nodeOf(facts: Facts): Promise<NodeObject | undefined> {
  return (await answersOf(facts)).find(({ node }) => node !== undefined)?.node;
}

const unreachable: Check = {
  id: 'kube-unreachable',
  about: 'whether each API server answers',
  run: async (facts) => {
    const answers = await answersOf(facts);
    const silent = answers.filter(({ error }) => error?.code === 'REGISTRY_UNAVAILABLE');
    const isAll = silent.length === answers.length;
    return silent.map(({ error, server }) => ({
      severity: isAll ? 'error' : 'warning',
      title: `The API server at ${server} does not answer`,
      evidence: [error!.message],
      impact: isAll ? IMPACT : 'One API server fewer remains for the failure of another',
      fix: `curl -k ${shellWord(server)}/readyz?verbose; correct --kube-api-url or the kubeconfig, or get kube-apiserver to run`,
    }));
  },
};

const denied: Check = {
  id: 'kube-denied',
  about: 'whether the API server accepts this host’s credentials, with the rights that a daemon needs',
  run: async (facts) => {
    const options = await facts.kubernetes;
    if (options === undefined) return [];
    const answers = await answersOf(facts);
    const rejected = answers.find(({ error }) => error?.code === 'REGISTRY_DENIED')?.error;
    const isAnswered = answers.some(({ node }) => node !== undefined);
    const missing = isAnswered || rejected !== undefined ? await missingRights(options) : [];
    if (rejected === undefined && missing.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'The API server denies what the daemon has to do',
        evidence: truncate([
          ...(rejected ? [rejected.message] : []),
          ...missing.map((one) => `denied: ${one}`),
        ]),
        impact: IMPACT,
        fix: 'kubectl apply -f deploy/kubernetes/rbac.yaml; for a token: kubectl -n weft-system create token weft --bound-object-kind Node --bound-object-name NODE',
      },
    ];
  },
};

const latency: Check = {
  id: 'kube-latency',
  about: 'whether API servers answer soon',
  run: async (facts) =>
    (await answersOf(facts))
      .filter(({ latencyMs, node }) => node !== undefined && latencyMs > facts.slowApiMs)
      .map(({ latencyMs, server }) => ({
        severity: 'warning',
        title: `The API server at ${server} is slow`,
        evidence: [`GET of one Node took ${(latencyMs / 1000).toFixed(1)} s`],
        impact: 'Nodes learn of changes late',
        fix: 'kubectl get --raw /metrics | grep -e apiserver_flowcontrol_rejected -e etcd_request_duration_seconds_sum; load of the API server and of etcd behind it',
      })),
};

const nodeMissing: Check = {
  id: 'node-missing',
  about: 'whether the cluster has the Node of this host',
  run: async (facts) => {
    const [answers, name] = [await answersOf(facts), await nodeNameOf(facts)];
    const { error } = answers.find((one) => one.error?.message.includes('not found') === true) ?? {};
    if (error === undefined) return [];
    return [
      {
        severity: 'error',
        title: `The cluster has no Node ${JSON.stringify(name)}`,
        evidence: [error.message],
        impact: 'This host has no pod CIDR, so its pods have no network',
        fix: 'kubectl get nodes; systemctl status kubelet; NODE_NAME must be the name of the Node',
      },
    ];
  },
};

const podCidr: Check = {
  id: 'pod-cidr',
  about: 'whether the Node of this host has pod CIDRs inside the network of the config',
  run: async (facts) => {
    const [node, options] = [await nodeOf(facts), await facts.kubernetes];
    if (node === undefined || options === undefined) return [];
    const { podCIDR, podCIDRs = [] } = node.spec ?? {};
    const subnets = parsePodCidrs(podCIDRs.length > 0 ? podCIDRs : podCIDR ? [podCIDR] : []);
    if (typeof subnets === 'string')
      return [podCidrError(subnets, 'set --allocate-node-cidrs and --cluster-cidr')];
    const config = await fileConfig(facts, options.configPath);
    return (['ipv4', 'ipv6'] as const).flatMap((family): Found[] => {
      const [cidr, network] = [subnets[family], config?.[family]?.network];
      if (cidr === undefined || network === undefined || isInside(cidr, network)) return [];
      const evidence = `pod CIDR ${cidr} is not inside ${network} of ${options.configPath}`;
      return [podCidrError(evidence, 'make the network of the config the same as --cluster-cidr')];
    });
  },
};

function podCidrError(evidence: string, remedy: string): Found {
  return {
    severity: 'error',
    title: 'The Node of this host has no usable pod CIDR',
    evidence: [evidence],
    impact: 'This host has no subnet, so its pods have no network',
    fix: `kubectl get node NODE -o jsonpath={.spec.podCIDRs}; kube-controller-manager: ${remedy}`,
  };
}

const annotationLost: Check = {
  id: 'annotation-lost',
  about: 'whether the Node of this host shows what its daemon publishes',
  run: async (facts) => {
    const [node, status, options] = [await nodeOf(facts), await facts.status, await facts.kubernetes];
    if (node === undefined || options === undefined || status?.lease?.state !== 'held') return [];
    const wrong = wrongAnnotations(node, options, status.interface ?? {});
    if (wrong.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'Annotations of the Node of this host are lost or overwritten',
        evidence: wrong,
        impact: 'Other nodes send packets for this host to another address, or none',
        fix: 'weft status; exempt the annotations from admission webhooks and from programs that manage Nodes',
      },
    ];
  },
};

function wrongAnnotations(
  { metadata }: NodeObject,
  { names }: KubernetesOptions,
  { publicIp, publicIpv6 }: { readonly publicIp?: string; readonly publicIpv6?: string },
): readonly string[] {
  const shown = metadata?.annotations ?? {};
  const expected: readonly (readonly [string, string | undefined])[] = [
    [names.isManaged, 'true'],
    [names.publicIp, publicIp && (shown[names.publicIpOverwrite] ?? publicIp)],
    [names.publicIpv6, publicIpv6 && (shown[names.publicIpv6Overwrite] ?? publicIpv6)],
  ];
  return expected
    .filter(([name, value]) => value !== undefined && shown[name] !== value)
    .map(
      ([name, value]) => `${name} is ${JSON.stringify(shown[name] ?? null)}, not ${JSON.stringify(value)}`,
    );
}

const CHECKS: readonly Check[] = [
  unreachable,
  denied,
  latency,
  kubeClock,
  nodeMissing,
  podCidr,
  annotationLost,
];

export const KUBERNETES_CHECKS: readonly Check[] = CHECKS.map((check) => ({
  ...check,
  isAboutKubernetes: true,
}));

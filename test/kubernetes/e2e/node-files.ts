// Settings of containerd, kubelet and kube-proxy of one node. Pure.
import { BOX_IMAGE } from './box-image.ts';

export type ProxyMode = 'nftables' | 'iptables';

/** Of the nodes of all clusters here: pods' and services' ranges of both families. */
export const POD_CIDRS = '10.244.0.0/16,fd00:10::/48';
export const SERVICE_CIDRS = '10.96.0.0/16,fd00:96::/112';

const SOCKET = 'unix:///run/containerd/containerd.sock';

export function containerdConfig(): string {
  return `version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.tracing", "io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${BOX_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

/** JSON is YAML. */
export function kubeletConfig(address: string, cgroupRoot: string): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    // Nothing but the cluster reaches these addresses.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot,
    containerRuntimeEndpoint: SOCKET,
    imageServiceEndpoint: SOCKET,
    enforceNodeAllocatable: [],
    evictionHard: { 'memory.available': '10Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    failCgroupV1: false,
    failSwapOn: false,
    healthzPort: 0,
    makeIPTablesUtilChains: false,
    readOnlyPort: 0,
    resolvConf: '',
    shutdownGracePeriod: '0s',
  });
}

/** Connection tracking is left alone: its limits are the machine's. */
export function proxyConfig(node: string, mode: ProxyMode, kubeconfig: string): string {
  return JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode,
    clientConnection: { kubeconfig },
    hostnameOverride: node,
    clusterCIDR: POD_CIDRS,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  });
}

export function kubeconfigOf(server: string, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
    clusters: [{ name: 'lab', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'lab', user: { token } }],
  });
}

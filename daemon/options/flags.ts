// Every flag of the daemon as data: flannel's with the same names and defaults, then weft's own.
import { DEFAULT_TUNING } from '../../native/packet-path.ts';
import type { FlagDefinitions } from './flag-definition.ts';

/** Prefix of the flags' environment variables. */
export const ENV_PREFIX = 'FLANNELD_';

/** A day: the TTL of flannel's leases. */
const DAY_SEC = 86_400;

export const DAEMON_FLAGS = {
  'etcd-endpoints': {
    type: 'string',
    default: 'http://127.0.0.1:4001,http://127.0.0.1:2379',
    help: 'etcd endpoints, separated by commas. All http:// or all https://.',
  },
  'etcd-prefix': {
    type: 'string',
    default: '/coreos.com/network',
    help: 'etcd key prefix of config and subnets/.',
  },
  'etcd-keyfile': {
    type: 'string',
    default: '',
    help: 'Key of the client certificate. Needs --etcd-certfile.',
  },
  'etcd-certfile': { type: 'string', default: '', help: 'Client certificate. Needs --etcd-keyfile.' },
  'etcd-cafile': {
    type: 'string',
    default: '',
    help: 'Certificate authority of etcd; unset means those of the system.',
  },
  'etcd-username': { type: 'string', default: '', help: 'etcd user. Needs --etcd-password.' },
  'etcd-password': {
    type: 'string',
    default: '',
    isSecret: true,
    help: 'Password of the etcd user. Better set in the environment, where other users cannot read it.',
  },
  iface: {
    type: 'repeatable',
    default: [],
    help: 'Interface (name or address) that carries the traffic between hosts. The first usable one wins.',
  },
  'iface-regex': {
    type: 'repeatable',
    default: [],
    help: 'Regular expression, matched against addresses, then names of interfaces. Tried after every --iface.',
  },
  'iface-can-reach': {
    type: 'string',
    default: '',
    help: 'Take the interface that the kernel would use to reach this address. Tried after every --iface-regex.',
  },
  'subnet-file': {
    type: 'string',
    default: '/run/flannel/subnet.env',
    help: "File with this host's subnet and MTU for the container runtime.",
  },
  'host-name': {
    type: 'string',
    default: '',
    help: 'Name of this host for operators, published beside its lease; unset means its host name.',
  },
  'answer-peers': {
    type: 'bool',
    default: true,
    help: 'Answer requests of peers, for weft connectivity and weft doctor --to there; false: never.',
  },
  'public-ip': {
    type: 'string',
    default: '',
    help: 'IPv4 address that peers send to; unset means that of the interface. Set it (and --iface) behind a NAT.',
  },
  'public-ipv6': {
    type: 'string',
    default: '',
    help: 'IPv6 address that peers send to; unset means that of the interface.',
  },
  'subnet-lease-renew-margin': {
    type: 'int',
    default: 60,
    bound: [1, 1439],
    help: 'Minutes before its expiry at which the subnet lease is renewed at the latest.',
  },
  'ip-masq': { type: 'bool', default: false, help: 'Masquerade traffic that leaves the overlay.' },
  'ip-masq-fully-random-disable': {
    type: 'bool',
    default: false,
    help: 'Masquerade without random source ports.',
  },
  'kube-subnet-mgr': {
    type: 'bool',
    default: false,
    help: 'Take subnets from the Kubernetes API instead of etcd. NODE_NAME in the environment names the node.',
  },
  'kube-api-url': {
    type: 'string',
    default: '',
    help: 'URLs of API servers, separated by commas; unset means that of the kubeconfig or of the pod.',
  },
  'kubeconfig-file': {
    type: 'string',
    default: '',
    help: 'kubeconfig with the API server and the credentials; unset means those of the pod.',
  },
  'kube-annotation-prefix': {
    type: 'string',
    default: 'flannel.alpha.coreos.com',
    help: 'Prefix of the annotations in which nodes publish their addresses.',
  },
  'net-config-path': {
    type: 'string',
    default: '/etc/kube-flannel/net-conf.json',
    help: 'File of the network config with --kube-subnet-mgr; changes take effect.',
  },
  'kube-startup-taint': {
    type: 'string',
    default: '',
    help: 'Key of a taint to remove from the node once its network works; needs deploy/kubernetes/startup-taint.yaml.',
  },
  'set-node-network-unavailable': {
    type: 'bool',
    default: true,
    help: 'Clear the condition NetworkUnavailable of the node once its network works.',
  },
  'cni-config-path': {
    type: 'string',
    default: '',
    help: 'Conflist for container runtimes, as of a ConfigMap; kept as --cni-conf-file once the subnet file is written. Unset: none.',
  },
  'cni-conf-file': {
    type: 'string',
    default: '/etc/cni/net.d/10-flannel.conflist',
    help: 'Where container runtimes read the conflist of --cni-config-path.',
  },
  'healthz-ip': { type: 'string', default: '0.0.0.0', help: 'Address of the health server.' },
  'healthz-port': {
    type: 'int',
    default: 0,
    bound: [0, 65_535],
    help: 'Port of the health server (/healthz, /readyz); 0 turns it off.',
  },
  'iptables-resync': {
    type: 'duration-seconds',
    default: 5,
    bound: [1, DAY_SEC],
    help: 'How often firewall rules are checked where the kernel does not notify of changes (iptables-legacy).',
  },
  'iptables-forward-rules': {
    type: 'bool',
    default: true,
    help: 'Accept traffic of the overlay network that this host forwards.',
  },
  'ip-blackhole-route': {
    type: 'bool',
    default: false,
    help: "Drop packets for addresses of this host's subnet that no better route leads to.",
  },
  version: { type: 'bool', default: false, env: null, help: 'Print the version to standard error and exit.' },
  v: { type: 'int', default: 0, help: 'Log level as a number; 2 and more mean --log-level=debug.' },
  vmodule: { type: 'string', default: '', help: 'Accepted for compatibility, without effect.' },
  log_backtrace_at: { type: 'string', default: '', help: 'Accepted for compatibility, without effect.' },
  'log-format': {
    type: 'string',
    default: 'human',
    choices: ['human', 'json'],
    help: 'Shape of log lines on standard error.',
  },
  'log-level': {
    type: 'string',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    help: 'Least severe level to log.',
  },
  'subnet-lease-ttl': {
    type: 'duration-seconds',
    default: DAY_SEC,
    bound: [10, 365 * DAY_SEC],
    help: 'TTL of the subnet lease after the last keep-alive. For tests and special clusters.',
  },
  'metrics-hosts': {
    type: 'string',
    default: '',
    help: 'Names besides addresses and the host name by which clients may reach the metrics server, separated by commas; *.NAME for all below.',
  },
  'metrics-ip': { type: 'string', default: '0.0.0.0', help: 'Address of the metrics server.' },
  'metrics-port': {
    type: 'int',
    default: 0,
    bound: [0, 65_535],
    help: 'Port that answers /metrics for Prometheus, and / with a page that shows the cluster; 0 turns it off.',
  },
  'on-change': {
    type: 'string',
    default: '',
    help: 'Command to run when the subnet file changes: arguments separated by blanks, or a JSON array of arguments. No shell.',
  },
  'on-change-timeout': {
    type: 'duration-seconds',
    default: 60,
    bound: [1, DAY_SEC],
    help: 'Timeout of that command.',
  },
  'control-socket': {
    type: 'string',
    default: '/run/weft/weft.sock',
    help: 'Unix socket for "weft status" and the other commands; empty turns it off.',
  },
  'no-sysctl': {
    type: 'bool',
    default: false,
    help: 'Do not turn on forwarding (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding); warn if it is off.',
  },
  'migration-timeout': {
    type: 'duration-seconds',
    default: 0,
    bound: [0, 365 * DAY_SEC],
    help: 'When VNI, port or backend of the network change: how long to keep the old transport for hosts that have not migrated; 0 means forever.',
  },
  'probe-interval': {
    type: 'duration-seconds',
    default: 60,
    bound: [0, DAY_SEC],
    help: 'With vxlan: how often to probe peers for checksums that network devices compute wrongly ("TxChecksumOffload": "auto"); 0 means never.',
  },
  'liveness-interval': {
    type: 'duration-seconds',
    default: 20,
    bound: [0, DAY_SEC],
    help: 'How often to probe each peer with an ICMP echo for whether it is alive; 0 means never.',
  },
  userspace: {
    type: 'string',
    default: '',
    choices: ['true', 'false', 'auto'],
    help: 'Encapsulate in this process instead of the kernel: always, never, or where the kernel cannot. Unset follows the network config.',
  },
  'no-source-check': {
    type: 'bool',
    default: !DEFAULT_TUNING.isSourceChecked,
    help: "In userspace: accept packets of senders that are not peers, and inner sources outside the peer's subnet.",
  },
  bpf: {
    type: 'string',
    default: 'auto',
    choices: ['auto', 'off'],
    help: 'In userspace: let a BPF program forward plain packets without copying them, where the kernel supports it (Linux 5.12).',
  },
  'packet-workers': {
    type: 'int',
    default: DEFAULT_TUNING.workers,
    bound: [1, 64],
    help: 'In userspace: threads, each with its own queue and socket; more than one needs --source-ports on all hosts.',
  },
  'source-ports': {
    type: 'int',
    default: DEFAULT_TUNING.sourcePorts,
    bound: [0, 64],
    help: 'In userspace: additional UDP source ports a thread, so that the underlay can spread flows.',
  },
} as const satisfies FlagDefinitions;

// The daemon's options: parsed from flags and environment, checked across fields, frozen. Nothing
// reads argv or the environment for an option afterwards. It neither prints nor exits.
import { parseIpv4, parseIpv6, parseIp } from '../../lib/address.ts';
import type { IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import { DEFAULT_TUNING, type PathTuning } from '../../native/packet-path.ts';
import { parseHookCommand, type ChangeHookCommand } from './hook-command.ts';
import { endpointAddresses, parseEtcdOptions } from './etcd-options.ts';
import type { EtcdOptions, Findings } from './etcd-options.ts';
import { parseKubernetesOptions, type KubernetesOptions } from './kubernetes-options.ts';
import { DAEMON_FLAGS, ENV_PREFIX } from './flags.ts';
import { parseFlags } from './go-flags.ts';
import type { FlagValues, ParsedFlags } from './go-flags.ts';
import { parseGoRegExp } from './go-regexp.ts';
import type { InterfaceOptions } from '../host/interface-facts.ts';
import { DEFAULT_KEY_FILE } from '../host/wireguard-keys.ts';
import type { LogLevel } from '../../api/index.ts';
import type { LogFormat } from '../log/log.ts';

/** The options of the daemon, deeply frozen. */
export interface DaemonOptions {
  readonly etcd: EtcdOptions;
  /** Set if the Kubernetes API is the registry instead of etcd. */
  readonly kubernetes?: KubernetesOptions;
  readonly interface: InterfaceOptions;
  /** What operators call this host; unset: its host name. */
  readonly hostName?: string;
  /** Whether requests of peers are answered. */
  readonly answersPeers: boolean;
  readonly subnetFile: string;
  /** The conflist that is kept for container runtimes. */
  readonly cniConflist?: { readonly source: string; readonly path: string };
  /** Minutes before its expiry at which the lease is renewed at the latest, 1..1439, default 60. */
  readonly subnetLeaseRenewMarginMin: number;
  /** TTL of the lease after the last keep-alive, at least 10, default 86400. */
  readonly subnetLeaseTtlSec: number;
  readonly ipMasq: boolean;
  readonly ipMasqFullyRandom: boolean;
  readonly iptablesForwardRules: boolean;
  /** Seconds, 1..86400, default 5. */
  readonly iptablesResyncSec: number;
  readonly ipBlackholeRoute: boolean;
  /** Whether the daemon may enable forwarding. */
  readonly setsSysctls: boolean;
  /** How long a migration waits for other hosts; 0, the default, means without limit. */
  readonly migrationTimeoutSec: number;
  /** Interval of the checksum probes, 0..86400; 0 means never. */
  readonly probeIntervalSec: number;
  /** Interval of the echoes to each peer, 0..86400; 0 means never. */
  readonly livenessIntervalSec: number;
  /** Whether VXLAN runs in userspace on this host; unset follows the network config. */
  readonly userspace?: boolean | 'auto';
  /** Parameters of the userspace packet path. */
  readonly tuning: PathTuning;
  /** Port 0 means no health server. */
  readonly health: { readonly ip: IpAddress; readonly port: number };
  /** Port 0 means no metrics and no page. */
  readonly metrics: {
    readonly ip: IpAddress;
    readonly port: number;
    /** Accepted in the Host header besides addresses and the host name; lower case. */
    readonly hosts?: readonly string[];
  };
  /** Command to run when subnet.env changes. */
  readonly onChange?: ChangeHookCommand;
  /**
   * Empty `path`: none. `isRequired`: the operator set the flag, so the daemon does not start
   * without the socket.
   */
  readonly controlSocket: { readonly path: string; readonly isRequired: boolean };
  readonly log: { readonly format: LogFormat; readonly level: LogLevel };
  /** WIREGUARD_KEY_FILE, as flannel has it. */
  readonly wireguardKeyFile: string;
}

export type CommandLine =
  | { readonly kind: 'run'; readonly options: DaemonOptions; readonly warnings: readonly string[] }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  /** One line an error. */
  | { readonly kind: 'wrong'; readonly errors: readonly string[] };

type Values = FlagValues<typeof DAEMON_FLAGS>;

/**
 * Parses the daemon's command line and environment. Help and version take precedence over errors.
 */
export function parseCommandLine(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandLine {
  const flags = parseFlags(DAEMON_FLAGS, { argv, env, envPrefix: ENV_PREFIX });
  if (flags.isHelpWanted) return { kind: 'help' };
  if (flags.values.version) return { kind: 'version' };
  const findings = { errors: [...flags.errors], warnings: [...flags.warnings], labelOf: flags.labelOf };
  const options = parseOptions(flags, env, findings);
  if (findings.errors.length > 0) return { kind: 'wrong', errors: findings.errors };
  warnOfIgnoredArgs(argv, flags.rest, findings);
  return { kind: 'run', options, warnings: findings.warnings };
}

function parseOptions(
  flags: ParsedFlags<typeof DAEMON_FLAGS>,
  env: Readonly<Record<string, string | undefined>>,
  findings: Findings,
): DaemonOptions {
  const { values } = flags;
  const kubernetes = parseKubernetesOptions(values, env, findings);
  const etcd = parseEtcdOptions(values, findings);
  const etcdAddresses = kubernetes === undefined ? endpointAddresses(etcd) : [];
  return deepFreeze({
    etcd,
    ...(kubernetes && { kubernetes }),
    interface: {
      ...parseInterfaceOptions(values, findings),
      ...(etcdAddresses.length > 0 && { etcdAddresses }),
      ...((values.bpf === 'off' || values['source-ports'] > 0) && { isBpfOff: true }),
    },
    ...(values['host-name'] !== '' && { hostName: values['host-name'] }),
    answersPeers: values['answer-peers'],
    subnetFile: parseSubnetFile(values, findings),
    ...parseCniConflist(values, findings),
    subnetLeaseRenewMarginMin: values['subnet-lease-renew-margin'],
    subnetLeaseTtlSec: values['subnet-lease-ttl'],
    ipMasq: values['ip-masq'],
    ipMasqFullyRandom: !values['ip-masq-fully-random-disable'],
    iptablesForwardRules: values['iptables-forward-rules'],
    iptablesResyncSec: values['iptables-resync'],
    ipBlackholeRoute: values['ip-blackhole-route'],
    setsSysctls: !values['no-sysctl'],
    migrationTimeoutSec: values['migration-timeout'],
    probeIntervalSec: values['probe-interval'],
    livenessIntervalSec: values['liveness-interval'],
    ...parseUserspace(values),
    tuning: parseTuning(values, findings),
    health: parseListener('healthz', values, findings),
    metrics: { ...parseListener('metrics', values, findings), ...parseHosts(values, findings) },
    ...parseOnChange(values, findings),
    controlSocket: {
      path: values['control-socket'],
      isRequired: flags.sourceOf('control-socket') !== 'default',
    },
    log: { format: values['log-format'] as LogFormat, level: parseLogLevel(flags) },
    wireguardKeyFile: env['WIREGUARD_KEY_FILE'] || DEFAULT_KEY_FILE,
  });
}

function parseInterfaceOptions(values: Values, findings: Findings): InterfaceOptions {
  const canReach = parseAddress(values, 'iface-can-reach', parseIp, 'an IPv4 or IPv6 address', findings);
  const publicIp = parseAddress<Ipv4>(values, 'public-ip', parseIpv4, 'an IPv4 address', findings);
  const publicIpv6 = parseAddress<Ipv6>(values, 'public-ipv6', parseIpv6, 'an IPv6 address', findings);
  return {
    names: parseNames(values.iface, findings),
    patterns: parsePatterns(values['iface-regex'], findings),
    ...(canReach === undefined ? {} : { canReach }),
    ...(publicIp === undefined ? {} : { publicIp }),
    ...(publicIpv6 === undefined ? {} : { publicIpv6 }),
  };
}

function parseAddress<Address extends IpAddress>(
  values: Values,
  name: 'iface-can-reach' | 'public-ip' | 'public-ipv6' | 'healthz-ip' | 'metrics-ip',
  parse: (text: string) => Address | undefined,
  wanted: string,
  findings: Findings,
): Address | undefined {
  const text = values[name];
  if (text === '') return undefined;
  const address = parse(text);
  if (address === undefined)
    findings.errors.push(`${findings.labelOf(name)}=${JSON.stringify(text)}: must be ${wanted}`);
  return address;
}

function parseNames(names: readonly string[], findings: Findings): readonly string[] {
  if (names.includes('')) findings.errors.push('--iface= is empty; give the name or address of an interface');
  for (const name of names)
    if (name.includes(','))
      findings.errors.push(
        `${findings.labelOf('iface')}=${JSON.stringify(name)}: one interface each; repeat the flag for more`,
      );
  return names;
}

function parsePatterns(texts: readonly string[], findings: Findings): readonly RegExp[] {
  const patterns: RegExp[] = [];
  for (const text of texts) {
    const parsed = parseGoRegExp(text);
    if ('pattern' in parsed) patterns.push(parsed.pattern);
    else
      findings.errors.push(`${findings.labelOf('iface-regex')}=${JSON.stringify(text)}: ${parsed.problem}`);
  }
  return patterns;
}

function parseSubnetFile(values: Values, findings: Findings): string {
  const path = values['subnet-file'];
  if (path === '' || path.endsWith('/') || path.includes('\0'))
    findings.errors.push(
      `${findings.labelOf('subnet-file')}=${JSON.stringify(path)}: must be the path of a file`,
    );
  return path;
}

function parseCniConflist(values: Values, findings: Findings): Pick<DaemonOptions, 'cniConflist'> {
  const { 'cni-config-path': source, 'cni-conf-file': path } = values;
  if (source === '') return {};
  if (!/^\/.*\.(?:conf|conflist|json)$/.test(path))
    findings.errors.push(
      `${findings.labelOf('cni-conf-file')}=${JSON.stringify(path)}: must be an absolute path that ends in .conflist, which runtimes read`,
    );
  return { cniConflist: { source, path } };
}

function parseListener(
  flag: 'healthz' | 'metrics',
  values: Values,
  findings: Findings,
): DaemonOptions['health'] {
  const ip = parseAddress(values, `${flag}-ip`, parseIp, 'an IPv4 or IPv6 address', findings);
  return { ip: ip ?? ('0.0.0.0' as Ipv4), port: values[`${flag}-port`] };
}

function parseHosts(values: Values, { errors, labelOf }: Findings): { hosts?: readonly string[] } {
  const hosts = values['metrics-hosts'].split(',').map((name) => name.trim().toLowerCase());
  const named = hosts.filter((name) => name !== '');
  const wrong = named.find((name) => !HOST_NAME.test(name));
  if (wrong !== undefined)
    errors.push(
      `${labelOf('metrics-hosts')}: ${JSON.stringify(wrong)} is no host name; give names like node1.example.com or *.example.com, without port`,
    );
  return named.length === 0 ? {} : { hosts: named };
}

const HOST_NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/;

function parseOnChange(values: Values, findings: Findings): Pick<DaemonOptions, 'onChange'> {
  const text = values['on-change'];
  if (text === '') return {};
  const parsed = parseHookCommand(text);
  if (typeof parsed === 'string') {
    findings.errors.push(`${findings.labelOf('on-change')}=${JSON.stringify(text)}: ${parsed}`);
    return {};
  }
  return { onChange: { args: parsed, timeoutMs: values['on-change-timeout'] * 1000 } };
}

function parseUserspace({ userspace }: Values): Pick<DaemonOptions, 'userspace'> {
  if (userspace === '') return {};
  return { userspace: userspace === 'auto' ? 'auto' : userspace === 'true' };
}

/**
 * A worker reads what the kernel hashes to its socket by addresses and ports. With one port at both
 * ends, that is all of a peer's packets or none, and the TUN device sends the answers of a flow to
 * the worker that received it (tun_automq_select_queue).
 */
function checkWorkers(values: Values, findings: Findings): void {
  const workers = values['packet-workers'];
  if (workers === 1 || values['source-ports'] > 0) return;
  findings.warnings.push(
    `${findings.labelOf('packet-workers')}="${workers}": all packets of a peer without --source-ports arrive at one worker; ` +
      'set --source-ports on all hosts, or use one worker',
  );
}

function parseTuning(values: Values, findings: Findings): PathTuning {
  checkWorkers(values, findings);
  return {
    ...DEFAULT_TUNING,
    isSourceChecked: !values['no-source-check'],
    workers: values['packet-workers'],
    sourcePorts: values['source-ports'],
    useBpf: values.bpf === 'auto',
  };
}

/** klog's `-v` applies only without --log-level. */
function parseLogLevel(flags: ParsedFlags<typeof DAEMON_FLAGS>): LogLevel {
  if (flags.sourceOf('log-level') === 'default' && flags.values.v >= 2) return 'debug';
  return flags.values['log-level'] as LogLevel;
}

/** Names only the position: an argument may be part of a password with a blank. */
function warnOfIgnoredArgs(argv: readonly string[], rest: readonly string[], findings: Findings): void {
  if (rest.length === 0) return;
  const position = argv.length - rest.length + 1;
  const isBool = /^(?:true|false|0|1)$/i.test(rest[0] ?? '');
  const why = isBool ? '; a boolean flag takes its value with =, for example --ip-masq=false' : '';
  findings.warnings.push(
    `Argument ${position} is not a flag; it and all after it (${rest.length}) are ignored${why}`,
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}

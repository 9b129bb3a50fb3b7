// The daemon's options: flags and environment read, checked across fields, frozen. Nothing reads argv or the
// environment for an option after this. Does not print and does not exit.
import { parseIpv4, parseIpv6, parseIp } from '../../lib/address.ts';
import type { IpAddress, Ipv4, Ipv6 } from '../../lib/address.ts';
import { DEFAULT_TUNING, type PathTuning } from '../../native/packet-path.ts';
import { parseHookCommand, type ChangeHookCommand } from './hook-command.ts';
import { parseEtcdOptions } from './etcd-options.ts';
import type { EtcdOptions, Findings } from './etcd-options.ts';
import { DAEMON_FLAGS, ENV_PREFIX } from './flags.ts';
import { parseFlags } from './go-flags.ts';
import type { FlagValues, ParsedFlags } from './go-flags.ts';
import { parseGoRegExp } from './go-regexp.ts';
import type { InterfaceOptions } from '../host/interface-facts.ts';
import type { LogLevel } from '../../api/index.ts';
import type { LogFormat } from '../log/log.ts';

/** Everything that the daemon was told, deeply frozen. */
export interface DaemonOptions {
  readonly etcd: EtcdOptions;
  readonly interface: InterfaceOptions;
  readonly subnetFile: string;
  /** Minutes before its end at which the lease is renewed at the latest, 1..1439, default 60. */
  readonly subnetLeaseRenewMarginMin: number;
  /** Life of the lease after the last keep-alive, 10 and more, default 86400. */
  readonly subnetLeaseTtlSec: number;
  readonly ipMasq: boolean;
  readonly ipMasqFullyRandom: boolean;
  readonly iptablesForwardRules: boolean;
  /** Seconds, 1..86400, default 5. */
  readonly iptablesResyncSec: number;
  readonly ipBlackholeRoute: boolean;
  /** Whether forwarding may be turned on. */
  readonly setsSysctls: boolean;
  /** How long others are waited for when VNI, port or backend change; 0, the default, means for ever. */
  readonly migrationTimeoutSec: number;
  /** How often checksums are probed, in seconds; 0: never. */
  readonly probeIntervalSec: number;
  /** Who does VXLAN on this host; unset means as the network config says. */
  readonly userspace?: boolean | 'auto';
  /** How the packet path works, where it does. */
  readonly tuning: PathTuning;
  /** Port 0 means no health server. */
  readonly health: { readonly ip: IpAddress; readonly port: number };
  /** Port 0 means no metrics and no page. */
  readonly metrics: { readonly ip: IpAddress; readonly port: number };
  /** What runs when subnet.env changes; unset for nothing. */
  readonly onChange?: ChangeHookCommand;
  /** `path` is empty for none. `isRequired`: the operator named it, so that the daemon does not run without. */
  readonly controlSocket: { readonly path: string; readonly isRequired: boolean };
  readonly log: { readonly format: LogFormat; readonly level: LogLevel };
}

export type CommandLine =
  | { readonly kind: 'run'; readonly options: DaemonOptions; readonly warnings: readonly string[] }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  /** One line an error. */
  | { readonly kind: 'wrong'; readonly errors: readonly string[] };

type Values = FlagValues<typeof DAEMON_FLAGS>;

/** Reads the daemon's command line and environment. Help and version win over errors. */
export function parseCommandLine(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandLine {
  const flags = parseFlags(DAEMON_FLAGS, { argv, env, envPrefix: ENV_PREFIX });
  if (flags.isHelpWanted) return { kind: 'help' };
  if (flags.values.version) return { kind: 'version' };
  const findings = { errors: [...flags.errors], warnings: [...flags.warnings], labelOf: flags.labelOf };
  const options = readOptions(flags, findings);
  if (findings.errors.length > 0) return { kind: 'wrong', errors: findings.errors };
  warnOfRest(argv, flags.rest, findings);
  return { kind: 'run', options, warnings: findings.warnings };
}

function readOptions(flags: ParsedFlags<typeof DAEMON_FLAGS>, findings: Findings): DaemonOptions {
  const { values } = flags;
  checkSubnetSource(values, findings);
  return deepFreeze({
    etcd: parseEtcdOptions(values, findings),
    interface: readInterfaceOptions(values, findings),
    subnetFile: readSubnetFile(values, findings),
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
    ...readUserspace(values),
    tuning: readTuning(values),
    health: readListener('healthz', values, findings),
    metrics: readListener('metrics', values, findings),
    ...readOnChange(values, findings),
    controlSocket: {
      path: values['control-socket'],
      isRequired: flags.sourceOf('control-socket') !== 'default',
    },
    log: { format: values['log-format'] as LogFormat, level: readLogLevel(flags) },
  });
}

function checkSubnetSource(values: Values, findings: Findings): void {
  if (values['kube-subnet-mgr'])
    findings.errors.push(
      `${findings.labelOf('kube-subnet-mgr')}: this version takes subnets from etcd, not from the Kubernetes API; leave the flag out and set --etcd-endpoints, or stay with flanneld on this cluster`,
    );
}

function readInterfaceOptions(values: Values, findings: Findings): InterfaceOptions {
  const canReach = readAddress(values, 'iface-can-reach', parseIp, 'an IPv4 or IPv6 address', findings);
  const publicIp = readAddress<Ipv4>(values, 'public-ip', parseIpv4, 'an IPv4 address', findings);
  const publicIpv6 = readAddress<Ipv6>(values, 'public-ipv6', parseIpv6, 'an IPv6 address', findings);
  return {
    names: readNames(values.iface, findings),
    patterns: readPatterns(values['iface-regex'], findings),
    ...(canReach === undefined ? {} : { canReach }),
    ...(publicIp === undefined ? {} : { publicIp }),
    ...(publicIpv6 === undefined ? {} : { publicIpv6 }),
  };
}

function readAddress<Address extends IpAddress>(
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

function readNames(names: readonly string[], findings: Findings): readonly string[] {
  if (names.includes('')) findings.errors.push('--iface= is empty; give the name or address of an interface');
  for (const name of names)
    if (name.includes(','))
      findings.errors.push(
        `${findings.labelOf('iface')}=${JSON.stringify(name)}: one interface each; repeat the flag for more`,
      );
  return names;
}

function readPatterns(texts: readonly string[], findings: Findings): readonly RegExp[] {
  const patterns: RegExp[] = [];
  for (const text of texts) {
    const parsed = parseGoRegExp(text);
    if ('pattern' in parsed) patterns.push(parsed.pattern);
    else
      findings.errors.push(`${findings.labelOf('iface-regex')}=${JSON.stringify(text)}: ${parsed.problem}`);
  }
  return patterns;
}

function readSubnetFile(values: Values, findings: Findings): string {
  const path = values['subnet-file'];
  if (path === '' || path.endsWith('/') || path.includes('\0'))
    findings.errors.push(
      `${findings.labelOf('subnet-file')}=${JSON.stringify(path)}: must be the path of a file`,
    );
  return path;
}

function readListener(
  flag: 'healthz' | 'metrics',
  values: Values,
  findings: Findings,
): DaemonOptions['health'] {
  const ip = readAddress(values, `${flag}-ip`, parseIp, 'an IPv4 or IPv6 address', findings);
  return { ip: ip ?? ('0.0.0.0' as Ipv4), port: values[`${flag}-port`] };
}

function readOnChange(values: Values, findings: Findings): Pick<DaemonOptions, 'onChange'> {
  const text = values['on-change'];
  if (text === '') return {};
  const parsed = parseHookCommand(text);
  if (typeof parsed === 'string') {
    findings.errors.push(`${findings.labelOf('on-change')}=${JSON.stringify(text)}: ${parsed}`);
    return {};
  }
  return { onChange: { words: parsed, timeoutMs: values['on-change-timeout'] * 1000 } };
}

function readUserspace({ userspace }: Values): Pick<DaemonOptions, 'userspace'> {
  if (userspace === '') return {};
  return { userspace: userspace === 'auto' ? 'auto' : userspace === 'true' };
}

function readTuning(values: Values): PathTuning {
  return {
    ...DEFAULT_TUNING,
    isSourceChecked: !values['no-source-check'],
    workers: values['packet-workers'],
    sourcePorts: values['source-ports'],
    useBpf: values.bpf === 'auto',
  };
}

/** klog's `-v` speaks only if --log-level does not. */
function readLogLevel(flags: ParsedFlags<typeof DAEMON_FLAGS>): LogLevel {
  if (flags.sourceOf('log-level') === 'default' && flags.values.v >= 2) return 'debug';
  return flags.values['log-level'] as LogLevel;
}

/** Only the number of words is told: one of them may be half of a password with a space in it. */
function warnOfRest(argv: readonly string[], rest: readonly string[], findings: Findings): void {
  if (rest.length === 0) return;
  const place = argv.length - rest.length + 1;
  const isBool = /^(?:true|false|0|1)$/i.test(rest[0] ?? '');
  const why = isBool ? '; a boolean flag takes its value with =, for example --ip-masq=false' : '';
  findings.warnings.push(
    `Reading stopped at argument ${place}, which is no flag; it and all behind it (${rest.length}) are ignored${why}`,
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}

// The command line of one etcd member.

export interface EtcdMember {
  readonly dataDir: string;
  readonly peerUrl: string;
  /** Advertised to clients. */
  readonly clientUrl: string;
  /** What it listens at; default: {@link clientUrl}. */
  readonly listenUrl?: string;
  /** Further flags. */
  readonly more?: readonly string[];
}

export function etcdCommand({ dataDir, peerUrl, clientUrl, listenUrl, more = [] }: EtcdMember): string[] {
  const flags = flagsOf({
    'data-dir': dataDir,
    'listen-peer-urls': peerUrl,
    'listen-client-urls': listenUrl ?? clientUrl,
    'advertise-client-urls': clientUrl,
  });
  return ['etcd', ...flags, ...more];
}

/** Runs etcdctl against the member at `url`. */
export function etcdctlCommand(url: string, argv: readonly string[]): string[] {
  return ['env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints', url, ...argv];
}

/** Flags in the syntax of etcd and etcdctl. */
export function flagsOf(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

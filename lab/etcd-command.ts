// The command line of one member of etcd, wherever it runs.

export interface EtcdPlace {
  readonly dataDir: string;
  readonly peerUrl: string;
  /** What clients are told. */
  readonly clientUrl: string;
  /** What it listens at; default: {@link clientUrl}. */
  readonly listenUrl?: string;
  /** Further words. */
  readonly more?: readonly string[];
}

export function etcdCommand({ dataDir, peerUrl, clientUrl, listenUrl, more = [] }: EtcdPlace): string[] {
  const words = flagWords({
    'data-dir': dataDir,
    'listen-peer-urls': peerUrl,
    'listen-client-urls': listenUrl ?? clientUrl,
    'advertise-client-urls': clientUrl,
  });
  return ['etcd', ...words, ...more];
}

/** As etcd and etcdctl take them. */
export function flagWords(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

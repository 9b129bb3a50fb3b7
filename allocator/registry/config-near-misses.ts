// Keys under which a network config is put by mistake, which no host reads. Pure.

/** Prefixes in instructions for flannel: its default, and those of Atomic Host and of Kubernetes by hand. */
const KNOWN_PREFIXES = [
  '/coreos.com/network',
  '/atomic.io/network',
  '/flannel/network',
  '/kube-centos/network',
  '/kubernetes/network',
];

/** Keys like `configKey` to search, likeliest first: a forgotten `/config`, a slash too many or too few, another prefix. */
export function nearMissesOf(configKey: string): readonly string[] {
  const prefix = configKey.replace(/\/config$/, '');
  const known = KNOWN_PREFIXES.flatMap((each) => [`${each}/config`, each]);
  const keys = [prefix, `${prefix}/`, `${configKey}/`, `${prefix}//config`, `${prefix}/Config`, ...known];
  const slashed = keys.concat(configKey).flatMap((key) => [key, key.replace(/^\//, ''), `/${key}`]);
  return [...new Set(slashed)].filter((key) => key !== configKey && key !== '');
}

/** What to do about a config at `found` that should be at `configKey`. */
export function nearMissRemedy(found: string, configKey: string): string {
  const [, prefix] = /^(\/.*)\/config$/.exec(found) ?? [];
  const move = `weft does not read the one at ${found}: move it to ${configKey}`;
  return prefix === undefined ? move : `${move}, or give --etcd-prefix ${prefix}`;
}

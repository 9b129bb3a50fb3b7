// The conflist that `weft cni install` puts in place. Pure.

export interface ConflistOptions {
  /** Name of the network in container runtimes. */
  readonly name: string;
  /** Name of weft's plugin in the conflist. */
  readonly type: PluginName;
  readonly cniVersion: string;
  /** Whether containers can publish ports of the host. */
  readonly hasPortmap: boolean;
  /** Unset means the plugin's own default. */
  readonly subnetFile?: string | undefined;
  readonly dataDir?: string | undefined;
}

export const PLUGIN_NAMES = ['weft-cni', 'flannel'] as const;
export type PluginName = (typeof PLUGIN_NAMES)[number];

/** Formats the file: the conflist of flannel's manifests under weft's name. */
export function formatConflist(options: ConflistOptions): string {
  const { name, type, cniVersion, hasPortmap, subnetFile, dataDir } = options;
  const weft = {
    type,
    ...(subnetFile === undefined ? {} : { subnetFile }),
    ...(dataDir === undefined ? {} : { dataDir }),
    delegate: { hairpinMode: true, isDefaultGateway: true },
  };
  const portmap = { type: 'portmap', capabilities: { portMappings: true } };
  const plugins = hasPortmap ? [weft, portmap] : [weft];
  return `${JSON.stringify({ cniVersion, name, plugins }, null, 2)}\n`;
}

/** The fault of a network config file, or `undefined`. */
export function problemOfConfig(text: string): string | undefined {
  try {
    const { name, type, plugins } = JSON.parse(text) as Record<string, unknown>;
    if (typeof name !== 'string' || name === '') return 'has no name';
    const isPlugin = typeof type === 'string' && type !== '';
    return isPlugin || (Array.isArray(plugins) && plugins.length > 0) ? undefined : 'has no plugins';
  } catch {
    return 'is not JSON';
  }
}

/** Files that a runtime reads, in order; it uses the first. */
export function networkConfigs(names: readonly string[]): string[] {
  return names.filter((name) => /\.(?:conf|conflist|json)$/.test(name)).toSorted();
}

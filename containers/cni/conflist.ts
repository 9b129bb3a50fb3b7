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

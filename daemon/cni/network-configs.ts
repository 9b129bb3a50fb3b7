// Files that container runtimes read networks from. Pure.

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

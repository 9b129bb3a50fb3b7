// Checks of what container runtimes call: the conflist that the daemon keeps, and its plugins.
import { access } from 'node:fs/promises';
import type { Check } from './check.ts';
import { shellWord } from './text/shell-word.ts';

const conflistOrder: Check = {
  id: 'conflist-order',
  about: 'whether container runtimes use the conflist of this node',
  run: async (facts) => {
    const conflist = (await facts.status)?.conflist;
    if (conflist?.problem === undefined) return [];
    const { path, precededBy, problem } = conflist;
    return [
      {
        severity: 'error',
        title:
          precededBy === undefined
            ? 'The conflist of container runtimes is not installed'
            : 'Container runtimes use the network of another program',
        evidence: [problem],
        impact:
          precededBy === undefined
            ? 'New containers get the network of an older conflist, or none'
            : 'New containers are outside of the overlay; running ones keep their network',
        fix:
          precededBy === undefined
            ? `kubectl -n weft-system edit configmap weft-config: correct cni-conf.json, which becomes ${path}`
            : `rm ${shellWord(precededBy)} on this node, after the program that wrote it is uninstalled; then restart its pods`,
      },
    ];
  },
};

/** The folder that containerd and CRI-O read plugins from. */
const BIN_DIR = '/opt/cni/bin';

const pluginMissing: Check = {
  id: 'cni-plugin-missing',
  about: 'whether the plugins of the conflist are installed',
  run: async (facts) => {
    const path = (await facts.status)?.conflist?.path;
    const text = path === undefined ? undefined : await facts.file(path.replace(/^\//, ''));
    if (text === undefined || !(await exists(facts.path(BIN_DIR)))) return [];
    const missing: string[] = [];
    for (const type of pluginsOf(text))
      if (!(await exists(facts.path(`${BIN_DIR}/${type}`)))) missing.push(type);
    if (missing.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `CNI plugins are missing: ${missing.join(', ')}`,
        evidence: [`${path} needs them in ${BIN_DIR}`],
        impact: 'No container of this node starts',
        fix: 'delete the pod of weft on this node, whose successor installs them (weft cni copy), or install containernetworking-plugins',
      },
    ];
  },
};

/** The plugins of a conflist, and those that weft-cni calls. */
function pluginsOf(text: string): readonly string[] {
  try {
    const { plugins = [] } = JSON.parse(text) as {
      plugins?: readonly { type?: string; delegate?: { type?: string } }[];
    };
    return plugins.flatMap(({ type = '', delegate }) =>
      type === 'weft-cni' || type === 'flannel' ? [type, delegate?.type ?? 'bridge', 'host-local'] : [type],
    );
  } catch {
    return [];
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export const CNI_CHECKS: readonly Check[] = [conflistOrder, pluginMissing];

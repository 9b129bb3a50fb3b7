// `weft cni install`: installs the CNI plugin and a conflist. `weft cni copy`: copies the plugins of
// weft's image to a host without Node.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyPlugins, type PluginSources } from '../../containers/cni/copy.ts';
import { InstallError } from '../../containers/cni/install-error.ts';
import { applyInstall, planInstall, USUAL_BIN_DIRS, type InstallPlan } from '../../containers/cni/install.ts';
import { CNI_VERSIONS } from '../../containers/cni/cni-version.ts';
import { PLUGIN_NAMES, type PluginName } from '../../containers/cni/conflist.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { SUBNET_FILE_DEFAULT } from '../client/subnet-file-path.ts';
import { UsageError } from '../usage-error.ts';
import { printError, printText } from '../output.ts';

/** Runtimes take files of their folder only. */
const FILE_NAME = /^[^/]+\.conflist$/;
const NETWORK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

export const cniCommand = defineCommand({
  name: 'cni',
  synopsis: ['install [options]', 'copy [--bin-dir DIR]'],
  about: `Installs weft-cni, the CNI plugin that gives containers addresses of this host's subnet, and a conflist that
names it. Checks first that the plugins it needs are there. Replaces files of other programs only with --force.
In the container image, copy installs the plugins of the image instead, with all that they need to run on a host without
Node. Files of other programs stay.`,
  verbs: {
    install: 'write files that are missing or of an older weft',
    copy: 'copy the plugins of this container image',
  },
  options: {
    'conf-dir': {
      type: 'string',
      value: 'DIR',
      default: '/etc/cni/net.d',
      help: 'folder of conflists (default: /etc/cni/net.d)',
    },
    'bin-dir': {
      type: 'string',
      value: 'DIR',
      help: 'folder of plugins (default: /opt/cni/bin, or /usr/lib/cni if it has plugins)',
    },
    file: {
      type: 'string',
      value: 'NAME',
      default: '10-weft.conflist',
      help: 'file name of the conflist (default: 10-weft.conflist)',
    },
    name: { type: 'string', value: 'NAME', default: 'weft', help: 'name of the network (default: weft)' },
    type: {
      type: 'string',
      value: 'NAME',
      choices: PLUGIN_NAMES,
      default: 'weft-cni',
      help: 'weft-cni (default) or flannel: name of the plugin in the conflist',
    },
    'cni-version': {
      type: 'string',
      value: 'VERSION',
      choices: CNI_VERSIONS.filter((version) => version >= '0.3.0'),
      help: 'version of the conflist (default: the newest that all plugins support, up to 1.0.0); 1.1.0 has GC and STATUS',
    },
    'subnet-file': {
      type: 'string',
      value: 'PATH',
      help: `subnet.env (default: ${SUBNET_FILE_DEFAULT})`,
    },
    'data-dir': {
      type: 'string',
      value: 'DIR',
      help: 'state of the plugin (default: /var/lib/cni/flannel)',
    },
    'no-portmap': { type: 'boolean', help: 'omit portmap: no host ports for containers' },
    force: { type: 'boolean', help: 'replace files of other programs' },
    'dry-run': { type: 'boolean', help: 'print what would be written' },
  },
  examples: [
    ['weft cni install --dry-run', 'show the changes'],
    [
      'weft cni install --type flannel --file 10-flannel.conflist --name cbr0 --force',
      'replace flannel’s plugin',
    ],
  ],
  maxArgs: 1,
  run: (values, [verb]) => {
    if (verb === 'copy') return Promise.resolve(copy(values['bin-dir'] ?? USUAL_BIN_DIRS[0]));
    if (verb !== 'install')
      throw new UsageError('weft cni needs a verb: weft cni install or copy; see weft cni --help');
    if (!FILE_NAME.test(values.file))
      throw new UsageError(`--file ${values.file}: give a name that ends in .conflist`);
    if (!NETWORK_NAME.test(values.name))
      throw new UsageError(`--name ${values.name}: give letters, digits, _ . and -`);
    const plan = planInstall({
      confDir: values['conf-dir'],
      binDir: values['bin-dir'],
      file: values.file,
      name: values.name,
      type: values.type as PluginName,
      cniVersion: values['cni-version'],
      subnetFile: values['subnet-file'] ?? (process.env['FLANNELD_SUBNET_FILE'] || undefined),
      dataDir: values['data-dir'],
      hasPortmap: !values['no-portmap'],
      isForced: values.force,
    });
    print(plan, values['dry-run']);
    if (!values['dry-run']) applyInstall(plan);
    return Promise.resolve(EXIT_OK);
  },
});

const COPY_VERBS = {
  copied: 'copied',
  current: 'unchanged',
  foreign: 'kept the file of another program',
} as const;

/** @throws InstallError */
function copy(binDir: string): number {
  for (const { change, path } of copyPlugins({ sources: readSources(), binDir }))
    printText(`${COPY_VERBS[change]} ${path}\n`);
  return EXIT_OK;
}

/** Beside weft in the image. */
function readSources(): PluginSources {
  const path = join(dirname(fileURLToPath(import.meta.url)), 'cni.json');
  if (!existsSync(path))
    throw new InstallError(
      `There is no ${path}: weft cni copy is for the container image; use weft cni install`,
    );
  return JSON.parse(readFileSync(path, 'utf8')) as PluginSources;
}

function print({ changes, warnings }: InstallPlan, isDryRun: boolean): void {
  const verb = isDryRun ? 'would write' : 'writing';
  for (const { path, change } of changes) printText(`${change === 'none' ? 'unchanged' : verb} ${path}\n`);
  if (isDryRun) printText(`\n${changes.at(-1)!.content.toString()}`);
  for (const warning of warnings) printError(`weft cni: ${warning}\n`);
}

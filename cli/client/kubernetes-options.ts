// Which Kubernetes API the daemon of this host uses, or would use if it ran.
import type { OptionsV1 } from '../../api/index.ts';
import { DAEMON_FLAGS, ENV_PREFIX } from '../../daemon/options/flags.ts';
import { parseFlags } from '../../daemon/options/go-flags.ts';
import { parseKubernetesOptions, type KubernetesOptions } from '../../daemon/options/kubernetes-options.ts';
import { parseEnvFile } from '../../lib/env-file.ts';

/**
 * Options of the Kubernetes registry: of the running daemon, or of the environment and the file of
 * its service. `undefined` on hosts without that registry.
 */
export function kubernetesOptionsOf(
  options: OptionsV1 | undefined,
  serviceFile: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): KubernetesOptions | undefined {
  if (options !== undefined) return options.options?.['kubernetes'] as KubernetesOptions | undefined;
  const all = { ...Object.fromEntries(parseEnvFile(serviceFile ?? '')), ...env };
  const { labelOf, values } = parseFlags(DAEMON_FLAGS, { argv: [], env: all, envPrefix: ENV_PREFIX });
  return parseKubernetesOptions(values, all, { errors: [], warnings: [], labelOf });
}

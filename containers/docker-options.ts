// Derives a Docker engine's options from subnet.env, line for line as flannel's mk-docker-opts.sh.
// Pure; docker-options-file.ts does the I/O.
import { parseEnvFile } from '../lib/env-file.ts';

export interface DockerOptionsRequest {
  /** One variable per option. */
  readonly isIndividual: boolean;
  /** One variable, named {@link key}, with all options. */
  readonly isCombined: boolean;
  readonly key: string;
  /** False for engines without `--ip-masq`. */
  readonly hasIpMasq: boolean;
}

export type DockerOptions =
  | {
      readonly ok: true;
      readonly text: string;
      /** This host's subnet as in subnet.env. */ readonly subnet: string;
    }
  | { readonly ok: false; readonly problem: string };

/** A variable whose name contains this is an option. */
const OPTION_NAME = 'DOCKER_OPT_';

/**
 * Formats the file. subnet.env takes precedence over `environment`, as in a shell that sources it.
 */
export function formatDockerOptions(
  subnetEnv: string,
  environment: Readonly<Record<string, string | undefined>>,
  request: DockerOptionsRequest,
): DockerOptions {
  const variables = new Map(Object.entries(environment).map(([name, value]) => [name, value ?? '']));
  for (const [name, value] of parseEnvFile(subnetEnv)) variables.set(name, value);
  const subnet = variables.get('FLANNEL_SUBNET') ?? '';
  const mtu = variables.get('FLANNEL_MTU') ?? '';
  const isMasquerading = request.hasIpMasq ? (variables.get('FLANNEL_IPMASQ') ?? '') : '';
  if (!['', 'true', 'false'].includes(isMasquerading))
    return { ok: false, problem: `FLANNEL_IPMASQ="${isMasquerading}" is neither true nor false` };
  if (subnet !== '') variables.set(`${OPTION_NAME}BIP`, `--bip=${subnet}`);
  if (mtu !== '') variables.set(`${OPTION_NAME}MTU`, `--mtu=${mtu}`);
  if (isMasquerading !== '') variables.set(`${OPTION_NAME}IPMASQ`, `--ip-masq=${isMasquerading === 'false'}`);
  return { ok: true, text: formatVariables(variables, request), subnet };
}

function formatVariables(variables: ReadonlyMap<string, string>, request: DockerOptionsRequest): string {
  const options = [...variables].filter(([name]) => name.includes(OPTION_NAME)).toSorted(byName);
  const given = variables.get(request.key) ?? '';
  const combined = (given === '' ? '' : `${given} `) + options.map(([, value]) => ` ${value}`).join('');
  const lines = [
    ...(request.isIndividual ? options : []),
    ...(request.isCombined ? [[request.key, combined] as const] : []),
  ];
  return lines.map(([name, value]) => `${name}="${value}"\n`).join('');
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}

/**
 * Whether the route to this host's subnet in /proc/net/route has a gateway, so that packets leave
 * this host. Docker cannot create its bridge then.
 * @param subnet - IPv4 as in subnet.env: the first address after the network's own, and the length.
 */
export function isRoutedElsewhere(subnet: string, routes: string): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(subnet);
  if (match === null) return false;
  const [a, b, c, d, length] = match.slice(1).map(Number) as [number, number, number, number, number];
  const destination = hexOf([a, b, c, d - 1]);
  const mask = hexOf([0, 8, 16, 24].map((from) => 256 - 2 ** (8 - Math.min(Math.max(length - from, 0), 8))));
  return routes.split('\n').some((line) => {
    const [, to, gateway, , , , , routeMask] = line.split('\t');
    return to === destination && routeMask === mask && gateway !== '00000000';
  });
}

/** Four octets as /proc/net/route prints them: one number in little-endian byte order. */
function hexOf(octets: readonly number[]): string {
  return octets
    .toReversed()
    .map((octet) => octet.toString(16).padStart(2, '0').toUpperCase())
    .join('');
}

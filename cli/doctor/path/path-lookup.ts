// What the kernel's routes do with a packet between two containers, as RTM_GETROUTE answers with the
// packet's source and the device that it arrives by.
import type { IpAddress } from '../../../lib/address.ts';
import type { Facts } from '../facts.ts';

export interface PathLookup {
  /** The command, for evidence. */
  readonly command: string;
  /** Device that the packet leaves by; unset if it is dropped. */
  readonly dev?: string;
  readonly gateway?: string;
  /** Table of the route if that is not `main`. */
  readonly table?: string;
  /**
   * `EXDEV` for the kernel's source check (rp_filter), `EHOSTUNREACH` where the device does not
   * forward, else text.
   */
  readonly error?: string;
}

type RouteGetRow = Pick<PathLookup, 'dev' | 'gateway' | 'table'>;

const ERRORS: readonly (readonly [RegExp, string])[] = [
  [/cross-device link/, 'EXDEV'],
  [/No route to host/, 'EHOSTUNREACH'],
  [/Invalid argument/, 'blackhole'],
  [/Permission denied/, 'prohibited'],
  [/Network is unreachable/, 'no route'],
];

export interface Ends {
  readonly from: IpAddress;
  readonly to: IpAddress;
  /** `lo` for a packet of this host itself, which chooses its source. */
  readonly iif: string;
  /** That rules of a firewall set before the kernel routes the packet. */
  readonly mark?: number;
  /** Of the payload, by name; unset: of no rule. */
  readonly protocol?: string;
}

/** The route of a packet. */
export async function lookupPath(
  facts: Facts,
  { from, to, iif, mark = 0, protocol }: Ends,
): Promise<PathLookup> {
  const args = [
    'get',
    to,
    ...(iif === 'lo' ? [] : ['from', from, 'iif', iif]),
    ...(mark === 0 ? [] : ['mark', String(mark)]),
    ...(protocol === undefined ? [] : ['ipproto', protocol]),
  ];
  const command = `ip route ${args.join(' ')}`;
  const { code, stdout, stderr } = await facts.run('ip', '-j', 'route', ...args);
  if (code !== 0)
    return { command, error: ERRORS.find(([pattern]) => pattern.test(stderr))?.[1] ?? stderr.trim() };
  const [{ dev, gateway, table } = {}] = JSON.parse(stdout) as RouteGetRow[];
  return {
    command,
    ...(dev !== undefined && { dev }),
    ...(gateway !== undefined && { gateway }),
    ...(table !== undefined && { table }),
  };
}

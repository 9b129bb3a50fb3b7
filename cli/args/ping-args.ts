// Arguments of `weft ping` as a request to the daemon; seconds as in ping(8). Pure.
import { UsageError } from '../usage-error.ts';

export interface PingArgs {
  readonly count: string | undefined;
  readonly interval: string | undefined;
  readonly timeout: string | undefined;
  readonly size: string | undefined;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly all: boolean;
}

/** Body of `POST /v1/ping`; the daemon checks bounds. @throws UsageError */
export function toPingRequest(peer: string | undefined, args: PingArgs): object {
  if (args.all === (peer !== undefined))
    throw new UsageError('weft ping needs one peer, by public IP or subnet, or --all: weft ping 198.18.1.2');
  if (args.ipv4 && args.ipv6) throw new UsageError('weft ping takes -4 or -6, not both');
  return {
    peer,
    count: numberOf('-c', args.count, /^\d{1,9}$/, 'a number of echoes'),
    intervalMs: secondsOf('-i', args.interval),
    timeoutMs: secondsOf('-W', args.timeout),
    payloadBytes: numberOf('-s', args.size, /^\d{1,9}$/, 'a number of bytes'),
    ...(args.ipv4 && { family: 4 }),
    ...(args.ipv6 && { family: 6 }),
  };
}

function secondsOf(flag: string, text: string | undefined): number | undefined {
  const seconds = numberOf(flag, text, /^\d{1,9}(?:\.\d{1,3})?$/, 'seconds, for example 0.2');
  return seconds === undefined ? undefined : Math.round(seconds * 1000);
}

function numberOf(flag: string, text: string | undefined, shape: RegExp, what: string): number | undefined {
  if (text === undefined) return undefined;
  if (!shape.test(text)) throw new UsageError(`${flag} ${JSON.stringify(text)}: must be ${what}`);
  return Number(text);
}

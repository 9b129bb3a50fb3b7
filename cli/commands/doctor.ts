// `weft doctor`: finds faults of the network, with evidence, impact and fix.
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import type { Check, Finding } from '../doctor/check.ts';
import { parseIp } from '../../lib/address.ts';
import { didYouMean } from '../../lib/did-you-mean.ts';
import type { PeersV1 } from '../../api/index.ts';
import { findNamedPeer } from '../client/find-peer.ts';
import { OWN_HALF_CHECKS } from '../doctor/path/peer-half.ts';
import { formatFindings, formatUntested } from '../doctor/format-findings.ts';
import { createReport, type ReportOptions } from '../doctor/report.ts';
import { CHECKS } from '../doctor/run-checks.ts';
import { ETCD_OPTIONS } from '../client/etcd-options.ts';
import { EXIT_FINDINGS, EXIT_NOT_READY } from '../exit-codes.ts';
import { styleOf } from '../format/style.ts';
import { formatTable } from '../format/table.ts';
import { UsageError } from '../usage-error.ts';
import { printData, printText } from '../output.ts';

export const doctorCommand = defineCommand({
  name: 'doctor',
  synopsis: [
    '[--to NAME|ADDRESS] [--only ID,…] [--verbose | --json] [--socket PATH] [etcd options]',
    '--list',
  ],
  about: `Checks everything that can stop packets: daemon, etcd, network config, leases, interface, kernel, firewalls, other
programs, and the path of packets from a container here to those of each peer, rule by rule and by probes. Prints evidence,
impact and fix of each fault, and what it did not test; changes nothing. Works without a daemon. Run it as root.`,
  options: {
    to: {
      type: 'string',
      value: 'NAME|ADDRESS',
      help: 'check the path to this container or peer, and ask the peer for its half',
    },
    'own-half': { type: 'boolean', help: 'run only the checks that a peer asks for with --to' },
    only: { type: 'string', value: 'ID,…', help: 'run only these checks' },
    list: { type: 'boolean', help: 'list the checks' },
    verbose: { type: 'boolean', short: 'v', help: 'also list the checks without a finding' },
    json: { type: 'boolean', help: 'print JSON (docs/how-to/find-a-fault.md)' },
    socket: SOCKET_OPTION,
    ...ETCD_OPTIONS,
  },
  examples: [
    ['weft doctor', 'find the fault'],
    ['weft doctor --only path-mtu,tunnel-blocked', 'check only whether packets arrive'],
    ['weft doctor --to 10.5.72.2', 'check the path to one container'],
    ['weft doctor --to node2', 'check the path to one peer, from both ends'],
    ["weft doctor --json | jq -r '.findings[].check'", 'print the ids of the findings'],
  ],
  exitCodes: {
    0: 'no findings',
    [EXIT_FINDINGS]: 'warnings, no errors',
    [EXIT_NOT_READY]: 'errors',
  },
  run: async ({ list, only, to, 'own-half': isOwnHalf, verbose, json, socket, ...etcd }) => {
    if (list) {
      printText(formatTable(CHECKS.map(({ id, about }) => [id, about])));
      return EXIT_OK;
    }
    const checks = choose(isOwnHalf ? OWN_HALF_CHECKS.join(',') : only);
    const client = new ControlClient(socketPath(socket));
    const answer = await createReport(client, { checks, etcd, ...(await targetOf(client, to)) });
    const { findings } = answer;
    if (only === undefined && !isOwnHalf)
      await leaveWithDaemon(
        client,
        findings.filter(({ host }) => host === undefined),
      );
    printData(answer, {
      json,
      text: (safe) =>
        formatFindings(safe.findings, checks, styleOf(), verbose) + formatUntested(safe.notTested),
    });
    return exitCodeOf(findings);
  },
});

/** For the page of the metrics server. There may be no daemon, or an earlier version of it. */
async function leaveWithDaemon(client: ControlClient, findings: readonly Finding[]): Promise<void> {
  await client.request('doctor', { method: 'PUT', body: { findings } }).catch(() => undefined);
}

function choose(only: string | undefined): readonly Check[] {
  if (only === undefined) return CHECKS;
  const ids = only.split(',');
  const unknown = ids.find((id) => !CHECKS.some((check) => check.id === id));
  if (unknown !== undefined) {
    const similar = didYouMean(
      unknown,
      CHECKS.map(({ id }) => id),
    );
    const hint = similar === undefined ? '' : `; did you mean ${similar}?`;
    throw new UsageError(`--only ${JSON.stringify(unknown)}: unknown check${hint}; see weft doctor --list`);
  }
  return CHECKS.filter(({ id }) => ids.includes(id));
}

/**
 * A peer by its name, public IP, subnet or key, or an address in the overlay.
 * @throws UsageError for a text that is neither
 */
async function targetOf(
  client: ControlClient,
  to: string | undefined,
): Promise<Pick<ReportOptions, 'to' | 'toPeer'>> {
  if (to === undefined) return {};
  const address = parseIp(to);
  const { peers } = await client.request<PeersV1>('peers').catch(() => ({ peers: undefined }));
  const peer = peers && findNamedPeer(peers, to);
  const isContainer = address !== undefined && peer?.publicIp !== to && peer?.publicIpv6 !== to;
  if (isContainer) return { to: address };
  if (peer !== undefined) return { toPeer: peer.key };
  throw new UsageError(
    peers === undefined
      ? `--to ${JSON.stringify(to)} is not an IP address, for example 10.5.72.2, and without the daemon names of peers are unknown`
      : `--to ${JSON.stringify(to)} is neither an IP address, for example 10.5.72.2, nor the name, subnet or key of a peer: weft peers lists them`,
  );
}

function exitCodeOf(findings: readonly Finding[]): number {
  if (findings.length === 0) return EXIT_OK;
  return findings.some(({ severity }) => severity === 'error') ? EXIT_NOT_READY : EXIT_FINDINGS;
}

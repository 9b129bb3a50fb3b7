// Answers a request of a peer: makes a test endpoint, which ends with the request, or runs this host's
// half of `weft doctor` in a process of its own. Reads the node; changes nothing that is the daemon's.
import { contains, familyOf, parseIp } from '../../lib/address.ts';
import type { DoctorAnswerV1, FindingV1, PeerAnswerV1 } from '../../api/index.ts';
import { openBack } from '../connectivity/open-back.ts';
import { TestEndpoint } from '../connectivity/test-endpoint.ts';
import { weftCommand } from '../connectivity/weft-command.ts';
import { runTool } from '../kernel/firewall/run-tool.ts';
import type { NodeView } from '../view/node-view.ts';
import { LIFETIME_SEC, type PeerRequestV1 } from './peer-request.ts';

type Answer = (answer: PeerAnswerV1) => Promise<void>;
export type AskedNode = Pick<NodeView, 'config' | 'leaseManager' | 'network' | 'options' | 'snapshot'>;

/** Below the 25 s that `weft doctor` waits at the host that asks. */
const DOCTOR_LIMITS = { timeoutMs: 20_000, maxOutputBytes: 4 << 20 };
/** Of a tool that a time-out ended. */
const UNFINISHED = 124;
/** A value of etcd has at most 1.5 MB, and an operator reads the first findings. */
const MAX_FINDINGS = 10;
const MAX_LINES = 8;
const MAX_LENGTH = 500;

/** Never rejects. */
export async function answerRequest(
  node: AskedNode,
  request: PeerRequestV1,
  answer: Answer,
  signal: AbortSignal,
): Promise<void> {
  await answer({ kind: 'accepted' });
  try {
    const reason = refusalOf(node, request);
    if (reason !== undefined) await answer({ kind: 'untested', reason });
    else if (request.ask.kind === 'endpoint') await serveEndpoint(node, request, answer, signal);
    else await answer(await runDoctor(node, request.ask.to, signal));
  } catch (error) {
    await answer({ kind: 'untested', reason: (error as Error).message });
  }
}

function refusalOf({ config, leaseManager }: AskedNode, { from, ask }: PeerRequestV1): string | undefined {
  if (leaseManager?.own === undefined) return 'it has no lease yet';
  if (!leaseManager.peers.has(from)) return `it knows no peer with the lease ${from}`;
  if (ask.kind !== 'doctor') return undefined;
  const to = parseIp(ask.to);
  const network = to && (familyOf(to) === 4 ? config?.ipv4?.network : config?.ipv6?.network);
  const isInside = to !== undefined && network !== undefined && contains(network, to);
  return isInside ? undefined : `${ask.to} is outside of its overlay network`;
}

async function serveEndpoint(
  node: AskedNode,
  { from, ask }: PeerRequestV1,
  answer: Answer,
  signal: AbortSignal,
): Promise<void> {
  const { leaseManager, network, snapshot } = node;
  if (network?.mtu === undefined) throw new Error('its overlay network has no MTU yet');
  const { ipv4, ipv6 } = snapshot?.chosen ?? {};
  const endpoint = await TestEndpoint.create({
    subnets: leaseManager?.own?.subnets ?? {},
    mtu: network.mtu,
    underlay: [ipv4, ipv6].filter((address): address is NonNullable<typeof address> => address !== undefined),
    seconds: LIFETIME_SEC,
  });
  try {
    const back = ask.kind === 'endpoint' ? ask.back : undefined;
    const subnets = leaseManager?.peers.get(from)?.subnets ?? {};
    const opened = back && (await openBack(endpoint, back, subnets));
    await answer({ ...endpoint.answer, ...(opened && { opened }) });
    await untilAborted(signal);
  } finally {
    await endpoint.close();
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The process ends with the request, and with the daemon. */
async function runDoctor({ options }: AskedNode, to: string, signal: AbortSignal): Promise<DoctorAnswerV1> {
  const { path } = options.controlSocket;
  const [file = '', ...args] = [
    ...weftCommand(),
    'doctor',
    '--own-half',
    '--json',
    `--to=${to}`,
    ...(path === '' ? [] : [`--socket=${path}`]),
  ];
  const { code, stdout, stderr } = await runTool(file, args, '', { ...DOCTOR_LIMITS, signal });
  signal.throwIfAborted();
  if (code === UNFINISHED)
    throw new Error(`weft doctor has no result there within ${DOCTOR_LIMITS.timeoutMs / 1000} s`);
  if (!stdout.startsWith('{'))
    throw new Error(`weft doctor fails there with code ${code}: ${stderr.trim().split('\n').at(-1) ?? ''}`);
  const { findings, notTested } = JSON.parse(stdout) as Omit<DoctorAnswerV1, 'kind'>;
  return {
    kind: 'doctor',
    findings: findings.slice(0, MAX_FINDINGS).map(shorten),
    notTested: notTested.slice(0, MAX_FINDINGS).map(cut),
  };
}

function shorten({ check, severity, title, evidence, impact, fix }: FindingV1): FindingV1 {
  const lines = evidence.slice(0, MAX_LINES).map(cut);
  return { check, severity, title: cut(title), evidence: lines, impact: cut(impact), fix: cut(fix) };
}

const cut = (text: string): string => (text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH)}…`);

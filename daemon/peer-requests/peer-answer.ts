// Answers of peers as they are in the registry, where every host with its rights can write them. What does not have the
// shape of an answer is left out, and all of it is bounded.
import { isIP } from 'node:net';
import type {
  DoctorAnswerV1,
  EndpointAnswerV1,
  HostListenerV1,
  ListenerV1,
  OpenedV1,
  PeerAnswerV1,
} from '../../api/index.ts';

/** Of the whole value. A finding has some hundred characters, an endpoint some thousand. */
const MAX_LENGTH = 256 * 1024;
/** Characters of one text. The peer's daemon cuts at fewer. */
const MAX_TEXT_LENGTH = 2000;
/** Entries of one list. */
const MAX_ENTRIES = 100;

type Fields = Readonly<Record<string, unknown>>;

/** Parses an answer; `undefined` if there is none yet. What cannot be read is an answer that says so. */
export function parsePeerAnswer(text: string): PeerAnswerV1 | undefined {
  if (text === '') return undefined;
  const fields = text.length > MAX_LENGTH ? undefined : parseFields(text);
  switch (fields?.['kind']) {
    case 'accepted':
      return { kind: 'accepted' };
    case 'untested':
      return { kind: 'untested', reason: textOf(fields['reason']) };
    case 'endpoint':
      return parseEndpoint(fields);
    case 'doctor':
      return parseDoctor(fields);
    default:
      return { kind: 'untested', reason: 'its answer cannot be read: its daemon is of another version' };
  }
}

function parseEndpoint(fields: Fields): EndpointAnswerV1 {
  const { opened } = fields;
  return {
    kind: 'endpoint',
    token: textOf(fields['token']),
    host: listOf(fields['host'], parseHostListener),
    container: listOf(fields['container'], parseListener),
    missing: listOf(fields['missing'], entryOf),
    ...(opened !== undefined && { opened: listOf(opened, parseOpened) }),
  };
}

function parseDoctor(fields: Fields): DoctorAnswerV1 {
  const findings = listOf(fields['findings'], (value) => {
    const each = fieldsOf(value);
    if (each === undefined) return undefined;
    return {
      check: textOf(each['check']),
      severity: each['severity'] === 'error' ? ('error' as const) : ('warning' as const),
      title: textOf(each['title']),
      evidence: listOf(each['evidence'], entryOf),
      impact: textOf(each['impact']),
      fix: textOf(each['fix']),
    };
  });
  return { kind: 'doctor', findings, notTested: listOf(fields['notTested'], entryOf) };
}

/** Of a listener: an IP address and two ports; `undefined` if it is none. */
export function parseListener(value: unknown): ListenerV1 | undefined {
  const { address, tcp, udp } = fieldsOf(value) ?? {};
  return isAddress(address) && isPort(tcp) && isPort(udp) ? { address, tcp, udp } : undefined;
}

function parseHostListener(value: unknown): HostListenerV1 | undefined {
  const listener = parseListener(value);
  const layer = oneOf(['overlay', 'underlay'], fieldsOf(value)?.['layer']);
  return listener && layer && { ...listener, layer };
}

function parseOpened(value: unknown): OpenedV1 | undefined {
  const { address, reason, isUntested, seen, ...fields } = fieldsOf(value) ?? {};
  const [from, to] = [fields['from'], fields['to']].map((end) => oneOf(['host', 'container'], end));
  const test = oneOf(['tcp', 'udp'], fields['test']);
  if (!isAddress(address) || from === undefined || to === undefined || test === undefined) return undefined;
  return {
    from,
    to,
    test,
    address,
    ...(reason !== undefined && { reason: textOf(reason) }),
    ...(isUntested === true && { isUntested }),
    ...(isAddress(seen) && { seen }),
  };
}

/** Fields of a JSON object; `undefined` if the text is none. */
export function parseFields(text: string): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null ? (value as Fields) : undefined;

/** At most {@link MAX_ENTRIES} entries, without those that cannot be read. */
function listOf<Entry>(value: unknown, parse: (entry: unknown) => Entry | undefined): readonly Entry[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly unknown[]).slice(0, MAX_ENTRIES).flatMap((entry) => parse(entry) ?? []);
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, MAX_TEXT_LENGTH) : '');

const entryOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? textOf(value) : undefined;

const oneOf = <Name extends string>(names: readonly Name[], value: unknown): Name | undefined =>
  names.find((name) => name === value);

const isAddress = (value: unknown): value is string => typeof value === 'string' && isIP(value) > 0;

const isPort = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536;

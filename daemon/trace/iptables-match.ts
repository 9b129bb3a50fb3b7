// Options of rules of iptables applied to a packet. An option that is not known here matches perhaps.
import { hasName, inRange, isBetween } from './address-match.ts';
import { every, negate, some, toMatch, type Match } from './match.ts';
import { PROTOCOL_NAMES, type Packet } from './packet.ts';

type Compare = (packet: Packet, args: readonly string[]) => Match;

/** Port or range of ports, `22` or `22:25`. */
function hasPort(port: number | undefined, text: string): Match {
  if (port === undefined) return 'unknown';
  const [first = 0, last = first] = text
    .split(':')
    .map((each, index) => (each === '' ? index * 65_535 : Number(each)));
  return Number.isNaN(first + last) ? 'unknown' : toMatch(first <= port && port <= last);
}

const ports =
  (...of: readonly ('sourcePort' | 'targetPort')[]): Compare =>
  (packet, [list = '']) => {
    if (packet.protocol !== 'tcp' && packet.protocol !== 'udp') return 'no';
    return some(list.split(',').flatMap((each) => of.map((field) => hasPort(packet[field], each))));
  };

const STATES: Readonly<Record<Packet['state'], string>> = { new: 'NEW', established: 'ESTABLISHED' };
/** Of connection tracking: undecided for packets that it perhaps leaves out. */
const tracked =
  (compare: Compare): Compare =>
  (packet, args) =>
    packet.isUntracked === true ? 'unknown' : compare(packet, args);
const state = tracked((packet, [list = '']) => toMatch(list.split(',').includes(STATES[packet.state])));

const icmpType: Compare = ({ protocol, state: of }, [type = '']) => {
  if (protocol !== 'icmp' && protocol !== 'icmpv6') return 'no';
  if (type === 'any') return 'yes';
  const request = protocol === 'icmp' ? '8' : '128';
  const reply = protocol === 'icmp' ? '0' : '129';
  return toMatch(type === (of === 'new' ? request : reply));
};

const mark: Compare = (packet, [text = '']) => {
  const [value = 0, mask = 0xffff_ffff] = text.split('/').map(Number);
  return packet.mark === undefined || Number.isNaN(packet.mark)
    ? 'unknown'
    : toMatch((packet.mark & mask) >>> 0 === value >>> 0);
};

const tcpFlags: Compare = ({ protocol, state: of }, [mask = '', set = '']) => {
  if (protocol !== 'tcp') return 'no';
  const flag = of === 'new' ? 'SYN' : 'ACK';
  const seen = mask === 'ALL' || mask.split(',').includes(flag) ? flag : 'NONE';
  return toMatch(seen === set);
};

const range = (address: string, text = ''): Match => {
  const [first = '', last = ''] = text.split('-');
  return isBetween(address as Packet['source'], first, last);
};

/** Modules that match by their options alone. Others, as `socket`, may match without any. */
const MODULES = new Set(
  'tcp udp icmp icmp6 icmpv6 comment conntrack state multiport mark addrtype iprange pkttype physdev'.split(
    ' ',
  ),
);

const COMPARE: Readonly<Record<string, Compare>> = {
  '-s': (packet, [network = '']) => inRange(packet.source, network),
  '-d': (packet, [network = '']) => inRange(packet.target, network),
  '-i': (packet, [name = '']) => hasName(packet.iif, name, '+'),
  '-o': (packet, [name = '']) => hasName(packet.oif, name, '+'),
  '-p': ({ protocol }, [name = '']) => toMatch(name === 'all' || PROTOCOL_NAMES[protocol].includes(name)),
  '-f': () => 'no',
  '-m': (_packet, [module = '']) => (MODULES.has(module) ? 'yes' : 'unknown'),
  '--comment': () => 'yes',
  '--sport': ports('sourcePort'),
  '--dport': ports('targetPort'),
  '--sports': ports('sourcePort'),
  '--dports': ports('targetPort'),
  '--ports': ports('sourcePort', 'targetPort'),
  '--state': state,
  '--ctstate': state,
  '--ctdir': tracked((packet, [direction = '']) =>
    toMatch(direction === (packet.state === 'new' ? 'ORIGINAL' : 'REPLY')),
  ),
  // No address is translated between containers.
  '--ctstatus': (_packet, [list = '']) =>
    /^(?:DNAT|SNAT|DNAT,SNAT|SNAT,DNAT)$/.test(list) ? 'no' : 'unknown',
  '--icmp-type': icmpType,
  '--icmpv6-type': icmpType,
  '--mark': mark,
  '--tcp-flags': tcpFlags,
  '--syn': (packet) => tcpFlags(packet, ['FIN,SYN,RST,ACK', 'SYN']),
  '--src-range': (packet, [text]) => range(packet.source, text),
  '--dst-range': (packet, [text]) => range(packet.target, text),
  '--dst-type': ({ isToHost }, [type = '']) =>
    toMatch(type.split(',').includes(isToHost ? 'LOCAL' : 'UNICAST')),
  '--src-type': (_packet, [type = '']) => toMatch(type.split(',').includes('UNICAST')),
  '--pkt-type': (_packet, [type = '']) => toMatch(type === 'unicast'),
  // A packet that is routed crosses no bridge at the hooks of IP.
  '--physdev-is-bridged': () => 'no',
};

/** Whether a packet meets all conditions of a rule. */
export function matchOptions(packet: Packet, args: readonly string[]): Match {
  return every(conditionsOf(args).map((condition) => matchCondition(packet, condition)));
}

interface Condition {
  readonly option: string;
  readonly args: readonly string[];
  readonly isNegated: boolean;
}

function matchCondition(packet: Packet, { option, args, isNegated }: Condition): Match {
  const compare = COMPARE[option];
  if (compare === undefined) return 'unknown';
  // The port of a packet without ports is neither equal nor different.
  const isAbsent = /port/.test(option) && packet.protocol !== 'tcp' && packet.protocol !== 'udp';
  if (isAbsent) return 'no';
  return isNegated ? negate(compare(packet, args)) : compare(packet, args);
}

/**
 * `! -i lo -p tcp` as conditions; `!` also follows its option in old versions. Options of a module that
 * is not known, as `--mark` of connmark, are not those of another one.
 */
function conditionsOf(args: readonly string[]): readonly Condition[] {
  const conditions: { option: string; args: string[]; isNegated: boolean }[] = [];
  let isNegated = false;
  let isOfUnknown = false;
  for (const arg of args) {
    if (arg === '!') isNegated = true;
    else if (/^--?[a-z]/.test(arg)) {
      const option = isOfUnknown && arg.startsWith('--') ? `${arg} of another module` : arg;
      conditions.push({ option, args: [], isNegated });
      isNegated = false;
    } else {
      const last = conditions.at(-1);
      last?.args.push(arg);
      if (last?.option === '-m') isOfUnknown = !MODULES.has(arg);
    }
  }
  return conditions;
}

/** Arguments of a line of `iptables-save`; quotes enclose those with spaces. */
export function splitArguments(line: string): readonly string[] {
  return Array.from(
    line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g),
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );
}

// Checks of the backend ipsec: charon, and whether each peer has a tunnel, else what is missing of it.
import { findCharon, NO_CHARON } from '../../../daemon/kernel/ipsec/charon.ts';
import { labelOf, truncate, type Check } from '../check.ts';
import { parseSas, type IkeSa } from './swanctl-sas.ts';

const charonMissing: Check = {
  id: 'charon-missing',
  about: 'with backend ipsec: whether charon is installed',
  run: async (facts) => {
    if ((await facts.config)?.backend.type !== 'ipsec') return [];
    if ((await facts.once('charon', () => findCharon())) !== undefined) return [];
    return [
      {
        severity: 'error',
        title: 'charon, which negotiates the keys of IPsec, is not installed on this host',
        evidence: ['no program charon in PATH, /usr/lib/ipsec, /usr/lib/strongswan'],
        impact: 'A daemon with backend ipsec does not start here',
        fix: NO_CHARON.slice(NO_CHARON.indexOf('install')),
      },
    ];
  },
};

interface Cause {
  readonly evidence: string;
  readonly fix: string;
}

const NO_ANSWER: Cause = {
  evidence: 'its charon does not answer',
  fix: 'where a charon does not answer: allow UDP ports 500 and 4500 between all hosts; weft doctor on that host',
};
const NO_ESP: Cause = {
  evidence: 'charon has negotiated with it, and there is no ESP tunnel',
  fix: 'where there is no ESP tunnel: modprobe esp4 on both hosts, and one "ESPProposal" (weft config get)',
};
const REFUSED: Cause = {
  evidence: 'charon has no connection with it',
  fix: 'where there is no connection: one "PSK" that all hosts have in force (weft config get, weft status); journalctl -t charon names the reason, as AUTHENTICATION_FAILED for another PSK',
};

/** What a peer lacks; `undefined` if one of its SAs carries packets. Two hosts that begin at once have several. */
function causeOf(sas: readonly IkeSa[]): Cause | undefined {
  if (sas.some(({ hasTunnel }) => hasTunnel)) return undefined;
  if (sas.some(({ isEstablished }) => isEstablished)) return NO_ESP;
  return sas.some(({ isAnswered }) => !isAnswered) ? NO_ANSWER : REFUSED;
}

const tunnelMissing: Check = {
  id: 'ipsec-tunnel',
  about: 'with backend ipsec: whether each peer has a tunnel',
  run: async (facts) => {
    const [status, peers] = await Promise.all([facts.status, facts.reachedPeers]);
    if (status?.network?.backend !== 'ipsec') return [];
    const listed = await facts.program('swanctl', '--list-sas');
    if (listed === undefined) return [];
    const sas = parseSas(listed);
    const missing = peers.flatMap((peer) => {
      const { publicIp } = peer;
      const cause = publicIp && causeOf(sas.filter(({ remote }) => remote === publicIp));
      return cause ? [{ line: `${labelOf(peer)} at ${publicIp}: ${cause.evidence}`, ...cause }] : [];
    });
    if (missing.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `There is no IPsec tunnel to ${missing.length} ${missing.length === 1 ? 'peer' : 'peers'}`,
        evidence: truncate(missing.map(({ line }) => line)),
        impact: 'Packets to these hosts are dropped, and never sent in the clear',
        fix: `${[...new Set(missing.map(({ fix }) => fix))].join('; ')}; IP protocol 50 must pass, too`,
      },
    ];
  },
};

export const IPSEC_CHECKS: readonly Check[] = [charonMissing, tunnelMissing];

// Checks of single backends: commands of extension, the module that ipip needs, charon of ipsec.
import { findCharon, NO_CHARON } from '../../daemon/kernel/ipsec/charon.ts';
import { truncate, type Check } from './check.ts';
import type { Facts } from './facts.ts';

/** How the reason of a peer whose command failed begins. */
const FAILED_COMMAND = /^(SubnetAddCommand|PostStartupCommand) /;

const commandFailed: Check = {
  id: 'command-failed',
  about: 'with backend extension: whether the commands succeed',
  run: async (facts) => {
    const [status, peers] = await Promise.all([facts.status, facts.peers]);
    if (status?.network?.backend !== 'extension') return [];
    const reasons = (peers?.peers ?? []).flatMap(({ key, reason = '' }) =>
      FAILED_COMMAND.test(reason) ? [`${key}: ${reason}`] : [],
    );
    if (reasons.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `Commands fail for ${reasons.length} ${reasons.length === 1 ? 'peer' : 'peers'}`,
        evidence: truncate(reasons),
        impact:
          'What leads to these peers is missing, or there in part; weft runs the command again and again',
        fix: 'run it by hand, with SUBNET and PUBLIC_IP of that peer; the log of the daemon has the whole output; weft config edit to correct it',
      },
    ];
  },
};

const moduleMissing: Check = {
  id: 'module-missing',
  about: 'with backend ipip: whether the kernel has its devices',
  run: async (facts) => {
    if ((await facts.config)?.backend.type !== 'ipip') return [];
    if ((await hasDevice(facts)) !== false) return [];
    return [
      {
        severity: 'error',
        title: 'The kernel of this host has no IP-in-IP devices',
        evidence: ['modprobe -n ipip fails, and there is no device of type ipip'],
        impact: 'A daemon with backend ipip does not start here',
        fix: 'install the modules of the running kernel (Debian: linux-image of uname -r), or use vxlan (weft config edit)',
      },
    ];
  },
};

/** Whether the kernel has ipip, loaded, built in or as a module; `undefined` if modprobe is missing. */
async function hasDevice(facts: Facts): Promise<boolean | undefined> {
  const devices = await facts.ip('link', 'show', 'type', 'ipip');
  if (devices !== undefined && devices.length > 0) return true;
  if ((await facts.program('modprobe', '--version')) === undefined) return undefined;
  return (await facts.program('modprobe', '-n', 'ipip')) !== undefined;
}

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

/** `swanctl --list-sas`, as far as names and states go: `NAME: #1, ESTABLISHED, IKEv2, …`. */
const ESTABLISHED = /^(\S+): #\d+, ESTABLISHED/gm;

const tunnelMissing: Check = {
  id: 'ipsec-tunnel',
  about: 'with backend ipsec: whether each peer has negotiated keys',
  run: async (facts) => {
    const [status, peers] = await Promise.all([facts.status, facts.reachedPeers]);
    if (status?.network?.backend !== 'ipsec') return [];
    const sas = await facts.program('swanctl', '--list-sas');
    if (sas === undefined) return [];
    const remotes = new Set(Array.from(sas.matchAll(ESTABLISHED), ([, name = '']) => name.split('-').at(-1)));
    const missing = peers.filter(({ publicIp }) => publicIp !== undefined && !remotes.has(publicIp));
    if (missing.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `There is no IPsec tunnel to ${missing.length} ${missing.length === 1 ? 'peer' : 'peers'}`,
        evidence: truncate(
          missing.map(({ key, publicIp }) => `${key}: swanctl --list-sas has none to ${publicIp}`),
        ),
        impact: 'Packets to these hosts are dropped, and never sent in the clear',
        fix: 'allow UDP ports 500 and 4500 and IP protocol 50 between all hosts; one PSK in the network config that all have in force (weft config get, weft status); journalctl -t charon names the reason, as AUTHENTICATION_FAILED for another PSK',
      },
    ];
  },
};

export const BACKEND_CHECKS: readonly Check[] = [commandFailed, moduleMissing, charonMissing, tunnelMissing];

// Checks of single backends: commands of extension, the module that ipip needs.
import { IPSEC_CHECKS } from './backends/checks-ipsec.ts';
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

export const BACKEND_CHECKS: readonly Check[] = [commandFailed, moduleMissing, ...IPSEC_CHECKS];

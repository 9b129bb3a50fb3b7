// Checks of the daemon: whether one runs, whether it is the only one, and what it reports.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { isDaemon } from '../../daemon/cleanup/running-daemon.ts';
import { truncate, type Check } from './check.ts';
import type { Facts } from './facts.ts';

const daemonDown: Check = {
  id: 'daemon-down',
  about: 'whether a daemon answers on its control socket',
  run: async (facts) => {
    const connectError = await facts.connectError;
    if (connectError === undefined) return [];
    if (connectError.reason === 'denied')
      return [
        {
          severity: 'warning',
          title: 'The control socket is for root only, so most checks have no input',
          evidence: [connectError.message, ...unnamedEtcd(facts)],
          impact: 'Checks of leases, peers and kernel state report nothing',
          fix: 'sudo weft doctor',
        },
      ];
    const isStuck = connectError.reason === 'timeout';
    return [
      {
        severity: 'error',
        title: isStuck ? 'The daemon of this host does not answer' : 'No daemon runs on this host',
        evidence: [connectError.message, ...unnamedEtcd(facts)],
        impact:
          'Packets follow the last kernel state; changes are not applied, and the lease ends unless it is renewed',
        fix: isStuck ? 'systemctl restart weft' : 'systemctl start weft; journalctl -u weft -n 50',
      },
    ];
  },
};

/** Which etcd is checked is known from the daemon at the latest. */
function unnamedEtcd({ isEtcdNamed }: Facts): readonly string[] {
  return isEtcdNamed
    ? []
    : ['etcd is not checked: no flag, variable or daemon names it; give --etcd-endpoints'];
}

const daemonReports: Check = {
  id: 'daemon-reports',
  about: 'what the daemon itself reports',
  isLastResort: true,
  run: async (facts) => {
    if ((await facts.status)?.health === 'ok') return [];
    // What other checks name may have been fixed since its last echoes.
    const status = await facts.probedStatus();
    if (status === undefined || status.health === 'ok') return [];
    return [
      {
        severity: status.health === 'degraded' ? 'warning' : 'error',
        title: `The daemon reports that this host is ${status.health}`,
        evidence: truncate(status.reasons, 8),
        impact: 'Some peers may be unreachable',
        fix: 'weft status; journalctl -u weft -n 50',
      },
    ];
  },
};

const leaseMissing: Check = {
  id: 'lease-missing',
  about: 'whether this host holds its lease',
  run: async (facts) => {
    const status = await facts.status;
    const state = status?.lease?.state;
    if (state === undefined || state === 'held' || state === 'waiting') return [];
    const { lastError } = status?.lease ?? {};
    const isFull = state === 'exhausted';
    return [
      {
        severity: state === 'expiring' ? 'warning' : 'error',
        title: isFull ? 'No subnet is free for this host' : `The lease of this host is ${state}`,
        evidence: [`weft status: lease ${state}`, ...(lastError === undefined ? [] : [lastError])],
        impact: 'Other hosts do not know this host, so its containers reach no other host',
        fix: isFull
          ? 'weft leases list; weft leases release SUBNET of removed hosts, or a larger "Network"'
          : 'weft status; fix etcd first',
      },
    ];
  },
};

const twoDaemons: Check = {
  id: 'two-daemons',
  about: 'whether flanneld or another weft runs beside the daemon',
  run: async (facts) => {
    const status = await facts.status;
    const others = await otherDaemons(facts, status?.daemon.pid);
    if (others.length === 0 || (status === undefined && others.length === 1)) return [];
    return [
      {
        severity: 'error',
        title: 'Two daemons manage the overlay network of this host',
        evidence: truncate(others),
        impact: 'Each takes the other’s changes for drift and reverts them',
        fix: 'systemctl disable --now flanneld, or stop the unwanted daemon',
      },
    ];
  },
};

/** One line per daemon of this network namespace, except the daemon with `ownPid`. */
async function otherDaemons(facts: Facts, ownPid: number | undefined): Promise<readonly string[]> {
  const netns = await readlink('/proc/self/ns/net').catch(() => '');
  const pids = (await readdir(facts.path('proc')).catch(() => [])).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => {
      const argv = (await readFile(facts.path(`proc/${pid}/cmdline`), 'utf8').catch(() => '')).split('\0');
      if (!isDaemon(argv)) return [];
      const netnsOfProcess = await readlink(facts.path(`proc/${pid}/ns/net`)).catch(() => undefined);
      if (netnsOfProcess !== netns || (await idsOf(facts, pid)).includes(String(ownPid))) return [];
      return [`process ${pid}: ${argv.join(' ').trim().slice(0, 120)}`];
    }),
  );
  return lines.flat();
}

/** All process ids of a process: a container's PID namespace has its own. */
async function idsOf(facts: Facts, pid: string): Promise<readonly string[]> {
  const status = await readFile(facts.path(`proc/${pid}/status`), 'utf8').catch(() => '');
  return [pid, ...(/^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [])];
}

export const DAEMON_CHECKS: readonly Check[] = [daemonDown, leaseMissing, twoDaemons];
export const LAST_CHECKS: readonly Check[] = [daemonReports];

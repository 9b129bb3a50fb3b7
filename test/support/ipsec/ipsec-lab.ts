// What suites of the backend ipsec share: a /run of its own for each host, where its charon's socket is, and commands to it.
import type { Lab } from '../../../lab/lab.ts';

/** The lab's files stay where they are. */
const OWN_RUN =
  'mkdir -p /tmp/lab-run && mount --bind /run/weft-lab /tmp/lab-run && mount -t tmpfs tmpfs /run && mkdir -p /run/weft-lab /run/wireguard && mount --bind /tmp/lab-run /run/weft-lab && exec "$@"';

/** Command that the first daemon of a host runs under. Later ones run {@link besideCharon}. */
export const WITH_OWN_RUN: readonly string[] = ['unshare', '--mount', 'sh', '-c', OWN_RUN, 'sh'];

/** Prefix of commands in the mount namespace of the host's charon, where its socket is. */
export async function besideCharon(lab: Lab, name: string): Promise<readonly string[]> {
  const pid = await lab.check(name, ['sh', '-c', 'pgrep --ns $$ --nslist net -x charon']);
  return ['nsenter', '--mount', `--target=${pid.trim().split('\n')[0]}`, '--'];
}

export const KILL_CHARON: readonly string[] = ['sh', '-c', 'pkill -KILL --ns $$ --nslist net -x charon'];

/** Ends all SAs with the peers, and begins one. */
export async function reconnect(lab: Lab, name: string): Promise<void> {
  const end = `swanctl --terminate --force --ike-id "$id"`;
  const script = `for id in $(swanctl --list-sas 2>/dev/null | sed -n 's/^[0-9].*: #\\([0-9]*\\),.*/\\1/p'); do ${end}; done
    child=$(swanctl --list-conns 2>/dev/null | sed -n 's/^  \\([0-9./-]*\\): TUNNEL.*/\\1/p')
    swanctl --initiate --timeout 1 --child "$child"; true`;
  await lab.check(name, [...(await besideCharon(lab, name)), 'sh', '-c', script]);
}

/** SPIs of the SAs that the kernel has, sorted. */
export async function spisOf(lab: Lab, name: string): Promise<readonly string[]> {
  const text = await lab.check(name, ['ip', 'xfrm', 'state']);
  return [...text.matchAll(/proto esp spi (0x[0-9a-f]+)/g)].map(([, spi]) => spi!).toSorted();
}

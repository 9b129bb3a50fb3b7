// Path of subnet.env for commands that need no daemon.

const DEFAULT_SUBNET_FILE = '/run/flannel/subnet.env';
/** Of help texts. */
export const SUBNET_FILE_DEFAULT = `FLANNELD_SUBNET_FILE, else ${DEFAULT_SUBNET_FILE}`;

/** The option, the daemon's own variable, or flannel's path. An empty variable counts as unset, as for the daemon. */
export function subnetFilePath(option: string | undefined, env = process.env): string {
  return option ?? (env['FLANNELD_SUBNET_FILE'] || DEFAULT_SUBNET_FILE);
}

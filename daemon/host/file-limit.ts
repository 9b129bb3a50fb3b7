// The limit of open files of this process. At the limit, connections to etcd and sockets of the
// kernel fail with reasons that do not name it.
import { readFileSync } from 'node:fs';

/** Node, etcd, netlink and servers without a client need this many. */
const MIN_FILES = 64;
/** With full servers of health, metrics and control. */
const ENOUGH_FILES = 512;

export interface FileLimit {
  /** `error`: weft cannot start. `warn`: it may fail under load. */
  readonly level: 'error' | 'warn';
  /** One line with the remedy. */
  readonly message: string;
}

/** What is wrong with the limit; `undefined` for nothing. `limitsFile`: see proc(5). */
export function checkFileLimit(limitsFile = '/proc/self/limits'): FileLimit | undefined {
  const limit = readLimit(limitsFile);
  if (limit === undefined || limit >= ENOUGH_FILES) return undefined;
  const remedy = 'raise it (ulimit -n 4096, systemd: LimitNOFILE=, containers: --ulimit nofile=)';
  return limit < MIN_FILES
    ? {
        level: 'error',
        message: `Cannot start with at most ${limit} open files, needs ${MIN_FILES}: ${remedy}`,
      }
    : { level: 'warn', message: `At most ${limit} open files are few: ${remedy}` };
}

function readLimit(limitsFile: string): number | undefined {
  try {
    const soft = /^Max open files +(\d+) /m.exec(readFileSync(limitsFile, 'utf8'))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

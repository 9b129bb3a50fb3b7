// Parsers of counters in /proc/net (proc_pid_net(5)). Pure.

/** /proc/net/snmp and netstat: a line of names, then one of values, both behind the prefix. Names as in `nstat`. */
export function parseCounterPairs(text: string): Record<string, number> {
  const lines = text.trim().split('\n');
  const counters: Record<string, number> = {};
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const [prefix, ...names] = lines[index]!.split(' ');
    const [, ...values] = lines[index + 1]!.split(' ');
    for (const [column, name] of names.entries())
      counters[`${prefix!.slice(0, -1)}${name}`] = Number(values[column]);
  }
  return counters;
}

/** /proc/net/snmp6: one counter a line. */
export function parseCounterLines(text: string): Record<string, number> {
  const rows = text.trim().split('\n');
  return Object.fromEntries(
    rows.map((row) => {
      const [name, value] = row.split(/\s+/);
      return [name, Number(value)] as const;
    }),
  );
}

/** /proc/net/udp and udp6: drops of all sockets bound to `port`. */
export function parseSocketDrops(table: string, port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = table.trim().split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local]) => local!.endsWith(suffix))
    .reduce((sum, columns) => sum + Number(columns.at(-1)), 0);
}

/** /proc/net/dev: packets dropped while sending by `link`; 0 without that link. */
export function parseLinkDrops(table: string, link: string): number {
  const row = table.split('\n').find((line) => line.trim().startsWith(`${link}:`));
  // Behind the name: 8 columns received, then bytes, packets, errors and drops sent.
  const columns = row
    ?.slice(row.indexOf(':') + 1)
    .trim()
    .split(/\s+/);
  return Number(columns?.[11] ?? 0);
}

// Starts a userspace program of WireGuard where the kernel has none. The program outlives this
// daemon, so that its restart costs no packet, and ends with its device.
import { runTool, type RunTool } from '../firewall/run-tool.ts';
import { describe } from '../firewall/tools.ts';
import { DONE, type Outcome, rejection } from '../netlink/outcome.ts';

interface Program {
  readonly name: string;
  readonly args: readonly string[];
}

/** In the order of preference. Each makes a device, goes to the background and returns. */
const PROGRAMS: readonly Program[] = [
  { name: 'wireguard-go', args: [] },
  { name: 'boringtun-cli', args: ['--disable-drop-privileges'] },
];

const NOT_INSTALLED = 127;
const LIMITS = { timeoutMs: 10_000, maxOutputBytes: 64 << 10 };

/** Names of the programs, for messages. */
export const WIREGUARD_PROGRAMS = PROGRAMS.map(({ name }) => name);

/**
 * Starts the first program that is installed, with the device `device`. `setsid`: a signal of the
 * terminal, or for the daemon's process group, must not end it. `LOG_LEVEL` would keep its standard
 * output open. EOPNOTSUPP: none is installed.
 */
export async function startWireguardProgram(device: string, run: RunTool = runTool): Promise<Outcome> {
  for (const { name, args } of PROGRAMS) {
    const output = await run('setsid', ['env', '-u', 'LOG_LEVEL', name, ...args, device], '', LIMITS);
    if (output.code === 0) return DONE;
    if (output.code !== NOT_INSTALLED)
      return rejection('EIO', `${name} does not start with ${device}: ${describe(output)}`);
  }
  return rejection(
    'EOPNOTSUPP',
    `this kernel has no WireGuard, and neither ${WIREGUARD_PROGRAMS.join(' nor ')} is installed`,
  );
}

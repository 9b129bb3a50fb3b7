// The example of GRE tunnels in docs/how-to/use-commands.md: its script, and its network config, which names the script.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../../lab/lab.ts';
import { packageRoot } from '../../lab/package-root.ts';

const PROGRAM = '/run/weft-lab/gre-peer';

const page = readFileSync(join(packageRoot(), 'docs/how-to/use-commands.md'), 'utf8');
const script = /```sh\n(#!\/bin\/sh\n# gre-peer [\s\S]*?)```/.exec(page)![1]!;
const config = /```json\n([\s\S]*?gre-peer[\s\S]*?)```/.exec(page)![1]!;

export const GRE_EXAMPLE = { script, config: config.replaceAll('/usr/local/sbin/gre-peer', PROGRAM) };

/** All hosts of a lab share the folder. */
export async function installGreExample(lab: Lab): Promise<void> {
  await lab.check('h1', ['sh', '-c', `cat >${PROGRAM} && chmod 755 ${PROGRAM}`], { input: script });
}

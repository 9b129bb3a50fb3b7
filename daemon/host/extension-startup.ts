// Runs the PreStartupCommand of the backend extension: its output is published with the lease, so
// that it has to be known before.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { HostFacts } from '../../backends/backend.ts';
import { startupCommand } from '../../backends/extension.ts';
import type { Kernel } from '../kernel/kernel.ts';

export type Startup =
  { readonly ok: true; readonly extensionData?: string } | { readonly ok: false; readonly message: string };

/** Resolves with the output, unset where `config` has no such command. */
export async function runStartup(
  kernel: Pick<Kernel, 'runStartup'>,
  { backend }: NetworkConfig,
): Promise<Startup> {
  if (backend.type !== 'extension' || backend.preStartupCommand === '') return { ok: true };
  const result = await kernel.runStartup(startupCommand(backend));
  return result.ok ? { ok: true, extensionData: result.output } : result;
}

export function withExtension(facts: HostFacts, extensionData: string | undefined): HostFacts {
  return extensionData === undefined ? facts : { ...facts, extensionData };
}

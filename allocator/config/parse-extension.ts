// Fields of `Backend` that the backend extension reads: its commands.
import type { ConfigFields } from './config-document.ts';
import type { BackendFieldName } from './config-schema.ts';
import type { ExtensionConfig } from './config.ts';

export const EXTENSION_COMMANDS = [
  'PreStartupCommand',
  'PostStartupCommand',
  'ShutdownCommand',
  'SubnetAddCommand',
  'SubnetRemoveCommand',
] as const satisfies readonly BackendFieldName[];

/** What needs a shell, in a command without one. */
const SHELL_SYNTAX = /["'`;|&<>]|\$\(/;

export function parseExtension(fields: ConfigFields<BackendFieldName>): ExtensionConfig {
  const isShell = fields.boolean('Shell');
  const commandOf = (name: (typeof EXTENSION_COMMANDS)[number]): string => {
    const command = (fields.string(name) ?? '').trim();
    if (!isShell && SHELL_SYNTAX.test(command))
      fields.warn(
        name,
        'is run without a shell, so that quotes, pipes and the like are arguments: set Shell to true, or name a script',
      );
    return command;
  };
  return {
    type: 'extension',
    preStartupCommand: commandOf('PreStartupCommand'),
    postStartupCommand: commandOf('PostStartupCommand'),
    shutdownCommand: commandOf('ShutdownCommand'),
    subnetAddCommand: commandOf('SubnetAddCommand'),
    subnetRemoveCommand: commandOf('SubnetRemoveCommand'),
    isShell,
  };
}

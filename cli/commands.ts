// All commands, one entry each, in the order in which they are listed. Each is loaded only when it is asked for, so that
// `weft version` does not pay for etcd. Help, completion and the man page are made from this table.
import { CLIENT_COMMANDS } from './client-commands.ts';
import type { CommandTable } from './command-spec.ts';

export const COMMANDS: CommandTable = {
  daemon: {
    group: 'run',
    summary: 'lease a subnet and connect this host (also as: flanneld)',
    load: async () => (await import('./commands/daemon.ts')).daemonCommand,
  },
  'docker-opts': {
    group: 'run',
    summary: "write a Docker engine's options (also as: mk-docker-opts.sh)",
    load: async () => (await import('./commands/docker-opts.ts')).dockerOptsCommand,
  },
  cni: {
    group: 'run',
    summary: 'install the CNI plugin and its conflist',
    load: async () => (await import('./commands/cni.ts')).cniCommand,
  },
  lab: {
    group: 'run',
    summary: 'try a cluster of hosts on this machine',
    load: async () => (await import('./commands/lab.ts')).labCommand,
  },
  ...CLIENT_COMMANDS,
  leases: {
    group: 'change',
    summary: 'who has which subnet; reserve one, give one back',
    load: async () => (await import('./commands/leases.ts')).leasesCommand,
  },
  cleanup: {
    group: 'change',
    summary: 'remove all that weft or flannel left on this host',
    load: async () => (await import('./commands/cleanup.ts')).cleanupCommand,
  },
  config: {
    group: 'change',
    summary: 'the network config: show, check, change, take back',
    load: async () => (await import('./commands/config.ts')).configCommand,
  },
  'log-level': {
    group: 'change',
    summary: 'how much the daemon logs, while it runs',
    load: async () => (await import('./commands/log-level.ts')).logLevelCommand,
  },
  doctor: {
    group: 'see',
    summary: 'why the network does not work, and what mends it',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  sysdump: {
    group: 'see',
    summary: 'one archive for a bug report',
    load: async () => (await import('./commands/sysdump.ts')).sysdumpCommand,
  },
  bench: {
    group: 'more',
    summary: 'measure it beside others, from the sources',
    load: async () => (await import('./commands/bench.ts')).benchCommand,
  },
  schema: {
    group: 'more',
    summary: 'print the JSON Schema of the network config',
    load: async () => (await import('./commands/schema.ts')).schemaCommand,
  },
  completion: {
    group: 'more',
    summary: 'print the completion script of a shell',
    load: async () => (await import('./commands/completion.ts')).createCompletionCommand(COMMANDS),
  },
  man: {
    group: 'more',
    summary: 'print the manual page',
    load: async () => (await import('./commands/man.ts')).createManCommand(COMMANDS),
  },
  version: {
    group: 'more',
    summary: 'print the version',
    load: async () => (await import('./commands/version.ts')).versionCommand,
  },
  help: {
    group: 'more',
    summary: 'list the commands, or tell about one',
    load: async () => (await import('./commands/help.ts')).createHelpCommand(COMMANDS),
  },
};

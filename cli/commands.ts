// All commands, one entry each, in the order in which they are listed. A command is loaded when it
// runs, so that `weft version` does not load etcd.
import { CLIENT_COMMANDS } from './client-commands.ts';
import type { CommandTable } from './command-spec.ts';

export const COMMANDS: CommandTable = {
  daemon: {
    group: 'run',
    summary: 'lease a subnet and connect this host (also: flanneld)',
    load: async () => (await import('./commands/daemon.ts')).daemonCommand,
  },
  'docker-opts': {
    group: 'run',
    summary: "write a Docker engine's options (also: mk-docker-opts.sh)",
    load: async () => (await import('./commands/docker-opts.ts')).dockerOptsCommand,
  },
  cni: {
    group: 'run',
    summary: 'install the CNI plugin and its conflist',
    load: async () => (await import('./commands/cni.ts')).cniCommand,
  },
  lab: {
    group: 'run',
    summary: 'run a cluster of namespaces on this machine',
    load: async () => (await import('./commands/lab.ts')).labCommand,
  },
  ...CLIENT_COMMANDS,
  leases: {
    group: 'change',
    summary: 'list, reserve and release leases',
    load: async () => (await import('./commands/leases.ts')).leasesCommand,
  },
  cleanup: {
    group: 'change',
    summary: 'remove everything weft or flannel made on this host',
    load: async () => (await import('./commands/cleanup.ts')).cleanupCommand,
  },
  drain: {
    group: 'change',
    summary: 'take no new containers on this host',
    load: async () => (await import('./commands/host/drain.ts')).drainCommand,
  },
  config: {
    group: 'change',
    summary: 'show, check, change and roll back the network config',
    load: async () => (await import('./commands/config.ts')).configCommand,
  },
  wireguard: {
    group: 'change',
    summary: 'give every host another key',
    load: async () => (await import('./commands/wireguard.ts')).wireguardCommand,
  },
  'log-level': {
    group: 'change',
    summary: "show or change the daemon's log level",
    load: async () => (await import('./commands/log-level.ts')).logLevelCommand,
  },
  doctor: {
    group: 'see',
    summary: 'find faults of the network, with evidence and fix',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  connectivity: {
    group: 'see',
    summary: 'test what passes between containers and hosts',
    load: async () => (await import('./commands/host/connectivity.ts')).connectivityCommand,
  },
  sysdump: {
    group: 'see',
    summary: 'write an archive for a bug report',
    load: async () => (await import('./commands/sysdump.ts')).sysdumpCommand,
  },
  bench: {
    group: 'more',
    summary: 'run the benchmarks, from the sources',
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
    summary: 'list the commands, or print the help of one',
    load: async () => (await import('./commands/help.ts')).createHelpCommand(COMMANDS),
  },
};

// All commands, one entry each, in the order in which they are listed. Each is loaded only when it is asked for, so that
// `weft version` does not pay for etcd. Help, completion and the man page are made from this table.
import type { Command } from './command.ts';

export const GROUPS = {
  run: 'Run',
  see: 'See what it does',
  change: 'Change it',
  more: 'More',
} as const;

export interface CommandEntry {
  readonly group: keyof typeof GROUPS;
  /** What it is for, in a few words. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  daemon: {
    group: 'run',
    summary: 'lease a subnet and connect this host (also as: flanneld)',
    load: async () => (await import('./daemon.ts')).daemonCommand,
  },
  'docker-opts': {
    group: 'run',
    summary: "write a Docker engine's options (also as: mk-docker-opts.sh)",
    load: async () => (await import('./docker-opts.ts')).dockerOptsCommand,
  },
  cni: {
    group: 'run',
    summary: 'install the CNI plugin and its conflist',
    load: async () => (await import('./cni.ts')).cniCommand,
  },
  lab: {
    group: 'run',
    summary: 'try a cluster of hosts on this machine',
    load: async () => (await import('./lab.ts')).labCommand,
  },
  status: {
    group: 'see',
    summary: 'health of this host on one screen',
    load: async () => (await import('./status.ts')).statusCommand,
  },
  peers: {
    group: 'see',
    summary: 'the other hosts: how packets go there, what is missing',
    load: async () => (await import('./peers.ts')).peersCommand,
  },
  route: {
    group: 'see',
    summary: 'which host has an address, and the way of a packet there',
    load: async () => (await import('./route.ts')).routeCommand,
  },
  ifconfig: {
    group: 'see',
    summary: 'the overlay devices in the words of ifconfig',
    load: async () => (await import('./ifconfig.ts')).ifconfigCommand,
  },
  diff: {
    group: 'see',
    summary: 'the kernel beside what it should hold',
    load: async () => (await import('./diff.ts')).diffCommand,
  },
  watch: {
    group: 'see',
    summary: 'what happens, as it happens',
    load: async () => (await import('./watch.ts')).watchCommand,
  },
  top: {
    group: 'see',
    summary: 'rates on the terminal',
    load: async () => (await import('./top.ts')).topCommand,
  },
  leases: {
    group: 'change',
    summary: 'who has which subnet; reserve one, give one back',
    load: async () => (await import('./leases.ts')).leasesCommand,
  },
  cleanup: {
    group: 'change',
    summary: 'remove all that weft or flannel left on this host',
    load: async () => (await import('./cleanup.ts')).cleanupCommand,
  },
  config: {
    group: 'change',
    summary: 'the network config: show, check, change, take back',
    load: async () => (await import('./config.ts')).configCommand,
  },
  'log-level': {
    group: 'change',
    summary: 'how much the daemon logs, while it runs',
    load: async () => (await import('./log-level.ts')).logLevelCommand,
  },
  sysdump: {
    group: 'see',
    summary: 'one archive for a bug report',
    load: async () => (await import('./sysdump.ts')).sysdumpCommand,
  },
  schema: {
    group: 'more',
    summary: 'print the JSON Schema of the network config',
    load: async () => (await import('./schema.ts')).schemaCommand,
  },
  completion: {
    group: 'more',
    summary: 'print the completion script of a shell',
    load: async () => (await import('./completion.ts')).completionCommand,
  },
  man: {
    group: 'more',
    summary: 'print the manual page',
    load: async () => (await import('./man.ts')).manCommand,
  },
  version: {
    group: 'more',
    summary: 'print the version',
    load: async () => (await import('./version.ts')).versionCommand,
  },
  help: {
    group: 'more',
    summary: 'list the commands, or tell about one',
    load: async () => (await import('./help-command.ts')).helpCommand,
  },
};

// The commands that only send a request to the daemon. They have a bundle of their own (client.ts),
// which starts nearly as fast as Node itself; bin/weft lists their names.
import type { CommandTable } from './command-spec.ts';

export const CLIENT_COMMANDS: CommandTable = {
  status: {
    group: 'see',
    summary: 'show the health of this host on one screen',
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  peers: {
    group: 'see',
    summary: 'list peers with their mode, state and missing entries',
    load: async () => (await import('./commands/peers.ts')).peersCommand,
  },
  ping: {
    group: 'see',
    summary: 'ping peers through the overlay and the underlay',
    load: async () => (await import('./commands/ping.ts')).pingCommand,
  },
  route: {
    group: 'see',
    summary: 'show the host of an address and the route to it',
    load: async () => (await import('./commands/route.ts')).routeCommand,
  },
  ifconfig: {
    group: 'see',
    summary: 'show the overlay devices as ifconfig does',
    load: async () => (await import('./commands/ifconfig.ts')).ifconfigCommand,
  },
  diff: {
    group: 'see',
    summary: 'compare the kernel with the desired state',
    load: async () => (await import('./commands/diff.ts')).diffCommand,
  },
  watch: {
    group: 'see',
    summary: 'print events as they happen',
    load: async () => (await import('./commands/watch.ts')).watchCommand,
  },
  top: {
    group: 'see',
    summary: 'show packet rates on the terminal',
    load: async () => (await import('./commands/top.ts')).topCommand,
  },
};

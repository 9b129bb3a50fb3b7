// The commands that do nothing but ask the daemon, for people who wait. They have a bundle of their own (front.ts), which
// starts nearly as fast as Node itself; bin/weft knows their names.
import type { CommandTable } from './command-spec.ts';

export const CLIENT_COMMANDS: CommandTable = {
  status: {
    group: 'see',
    summary: 'health of this host on one screen',
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  peers: {
    group: 'see',
    summary: 'the other hosts: how packets go there, what is missing',
    load: async () => (await import('./commands/peers.ts')).peersCommand,
  },
  ping: {
    group: 'see',
    summary: 'do peers answer, through the overlay and beside it?',
    load: async () => (await import('./commands/ping.ts')).pingCommand,
  },
  route: {
    group: 'see',
    summary: 'which host has an address, and the way of a packet there',
    load: async () => (await import('./commands/route.ts')).routeCommand,
  },
  ifconfig: {
    group: 'see',
    summary: 'the overlay devices in the words of ifconfig',
    load: async () => (await import('./commands/ifconfig.ts')).ifconfigCommand,
  },
  diff: {
    group: 'see',
    summary: 'the kernel beside what it should hold',
    load: async () => (await import('./commands/diff.ts')).diffCommand,
  },
  watch: {
    group: 'see',
    summary: 'what happens, as it happens',
    load: async () => (await import('./commands/watch.ts')).watchCommand,
  },
  top: {
    group: 'see',
    summary: 'rates on the terminal',
    load: async () => (await import('./commands/top.ts')).topCommand,
  },
};

// `weft route`: the routes to all peers, or the route of a packet to one address.
import type { PeersV1, RouteV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, JSON_OPTION, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_FINDINGS, EXIT_NO_DAEMON } from '../exit-codes.ts';
import { formatRoute, formatRoutes } from '../format/format-route.ts';
import { styleOf } from '../format/style.ts';
import { UsageError } from '../usage-error.ts';
import { printData } from '../output.ts';

export const routeCommand = defineCommand({
  name: 'route',
  synopsis: ['[list] [--json] [--socket PATH]', 'get ADDRESS [--json] [--socket PATH]'],
  about: `Prints the host of an address and the route of a packet there: each lookup with the kernel's entry and its problem, and
the largest packet that fits.`,
  verbs: {
    list: 'list the routes to all peers (default)',
    'get ADDRESS': 'show the route of a packet to ADDRESS',
  },
  options: { json: JSON_OPTION, socket: SOCKET_OPTION },
  examples: [
    ['weft route', 'list subnets by host'],
    ['weft route get 10.5.72.2', 'find why a container does not answer'],
  ],
  exitCodes: {
    0: 'a packet arrives',
    [EXIT_NO_DAEMON]: 'no daemon answers',
    [EXIT_FINDINGS]: 'a packet is lost, or a lookup has a problem',
  },
  maxArgs: 2,
  run: async ({ json, socket }, [verb = 'list', address]) => {
    const client = new ControlClient(socketPath(socket));
    if (verb === 'list' && address === undefined) {
      const peers = await client.request<PeersV1>('peers');
      printData(peers, { json, text: (safe) => formatRoutes(safe, styleOf()) });
      return EXIT_OK;
    }
    if (verb !== 'get' || address === undefined)
      throw new UsageError('weft route takes list, or get and an address: weft route get 10.5.72.2');
    const route = await client.request<RouteV1>(`route?to=${encodeURIComponent(address)}`);
    printData(route, { json, text: (safe) => formatRoute(safe, styleOf()) });
    return route.isWhole ? EXIT_OK : EXIT_FINDINGS;
  },
});

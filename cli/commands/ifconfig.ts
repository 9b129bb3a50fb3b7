// `weft ifconfig`: the devices of the overlay as ifconfig(8) prints them.
import type { DevicesV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, JSON_OPTION, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_NO_DAEMON } from '../exit-codes.ts';
import { formatDevices } from '../format/format-ifconfig.ts';
import { printData } from '../output.ts';

export const ifconfigCommand = defineCommand({
  name: 'ifconfig',
  synopsis: ['[-a] [--json] [--socket PATH]'],
  about:
    'Prints the overlay devices as ifconfig does, with a line for the tunnel of each; with -a the underlay interface, too.',
  options: {
    all: { type: 'boolean', short: 'a', help: 'include the underlay interface' },
    json: JSON_OPTION,
    socket: SOCKET_OPTION,
  },
  examples: [['weft ifconfig -a', 'all devices on the path between hosts']],
  exitCodes: { [EXIT_NO_DAEMON]: 'no daemon answers' },
  run: async ({ all, json, socket }) => {
    const answer = await new ControlClient(socketPath(socket)).request<DevicesV1>('devices');
    const devices = answer.devices.filter(({ role }) => all || role === 'overlay');
    const shown = { ...answer, devices };
    printData(shown, { json, text: formatDevices });
    return EXIT_OK;
  },
});

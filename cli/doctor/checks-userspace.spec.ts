import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ControlClient } from '../client/control-client.ts';
import { DEVICES } from '../fixture/devices.ts';
import { STATUS } from '../fixture/status.ts';
import type { Found } from './check.ts';
import { USERSPACE_CHECKS } from './checks-userspace.ts';
import { Facts } from './facts.ts';

/** Output of `ss -Huanm` for one socket. */
const socket = (receive: number, send: number): string =>
  `UNCONN 0      0      198.18.1.2:8285 0.0.0.0:*\n\t skmem:(r0,rb${receive},t0,tb${send},f0,w0,o0,bl0,d12)\n`;
const WHOLE = 8_388_608;

async function find(encapsulation: 'kernel' | 'userspace', text: string): Promise<Found | undefined> {
  const answers: Readonly<Record<string, unknown>> = {
    status: { ...STATUS, network: { ...STATUS.network!, encapsulation } },
    devices: DEVICES,
  };
  const facts = new Facts({
    client: { request: (name: string) => Promise.resolve(answers[name]) } as unknown as ControlClient,
    etcd: { endpoints: [], prefix: '/x' },
    root: '/nonexistent/',
    output: (argv) => Promise.resolve(argv.at(-1) === 'sport = :8285' ? text : ''),
  });
  return (await USERSPACE_CHECKS[0]!.run(facts))[0];
}

describe('the socket-buffers check of weft doctor', () => {
  it('reports sockets with smaller buffers than requested', async () => {
    const found = await find('userspace', socket(425_984, WHOLE) + socket(WHOLE, WHOLE));
    assert.deepEqual(found?.evidence, [
      "ss -uanm 'sport = :8285': 208 KiB to receive and 4096 KiB to send of 4096 KiB each, 12 datagrams dropped",
    ]);
  });

  it('is silent for full buffers, and where the kernel encapsulates', async () => {
    assert.equal(await find('userspace', socket(WHOLE, WHOLE)), undefined);
    assert.equal(await find('kernel', socket(425_984, WHOLE)), undefined);
  });
});

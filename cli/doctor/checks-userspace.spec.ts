import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { OptionsV1 } from '../../api/index.ts';
import type { ControlClient } from '../client/control-client.ts';
import { DEVICES } from '../fixture/devices.ts';
import { STATUS } from '../fixture/status.ts';
import type { Check, Found } from './check.ts';
import { USERSPACE_CHECKS } from './checks-userspace.ts';
import { Facts } from './facts.ts';

interface Host {
  readonly encapsulation: 'kernel' | 'userspace';
  /** Of the device of udp. */
  readonly tunnelType?: 'tun' | 'fou';
  /** Of `ss -Huanm`. */
  readonly sockets?: string;
  /** In the folder of /proc. */
  readonly root?: string;
  readonly options?: object;
  readonly userspace?: boolean | 'auto';
}

async function find(id: string, host: Host): Promise<Found | undefined> {
  const {
    encapsulation,
    tunnelType = 'tun',
    sockets = '',
    root = '/nonexistent/',
    options,
    userspace,
  } = host;
  const devices = DEVICES.devices.map((device) =>
    device.tunnel?.encapsulation === 'udp'
      ? { ...device, tunnel: { ...device.tunnel, type: tunnelType } }
      : device,
  );
  const answers: Readonly<Record<string, unknown>> = {
    status: { ...STATUS, network: { ...STATUS.network!, encapsulation } },
    devices: { ...DEVICES, devices },
  };
  const facts = new Facts({
    client: { request: (name: string) => Promise.resolve(answers[name]) } as unknown as ControlClient,
    etcd: { endpoints: [], prefix: '/x' },
    options: options && ({ options } as OptionsV1),
    root,
    output: (argv) => Promise.resolve(argv.at(-1) === 'sport = :8285' ? sockets : ''),
  });
  const config = userspace === undefined ? undefined : { backend: { type: 'udp', userspace } };
  Object.defineProperty(facts, 'config', { value: Promise.resolve(config) });
  return (await checkOf(id).run(facts))[0];
}

const checkOf = (id: string): Check => USERSPACE_CHECKS.find((check) => check.id === id)!;

/** Output of `ss -Huanm` for one socket. */
const socket = (receive: number, send: number): string =>
  `UNCONN 0      0      198.18.1.2:8285 0.0.0.0:*\n\t skmem:(r0,rb${receive},t0,tb${send},f0,w0,o0,bl0,d12)\n`;
const WHOLE = 8_388_608;

describe('the socket-buffers check of weft doctor', () => {
  it('reports sockets with smaller buffers than requested', async () => {
    const found = await find('socket-buffers', {
      encapsulation: 'userspace',
      sockets: socket(425_984, WHOLE) + socket(WHOLE, WHOLE),
    });
    assert.deepEqual(found?.evidence, [
      "ss -uanm 'sport = :8285': 208 KiB to receive and 4096 KiB to send of 4096 KiB each, 12 datagrams dropped",
    ]);
  });

  it('is silent for full buffers, and where the kernel encapsulates', async () => {
    const sockets = socket(WHOLE, WHOLE);
    assert.equal(await find('socket-buffers', { encapsulation: 'userspace', sockets }), undefined);
    const small = socket(425_984, WHOLE);
    assert.equal(await find('socket-buffers', { encapsulation: 'kernel', sockets: small }), undefined);
  });
});

describe('the udp-kernel check of weft doctor', () => {
  const root = `${mkdtempSync(join(tmpdir(), 'weft-modules-'))}/`;
  before(() => {
    mkdirSync(`${root}proc`);
    writeFileSync(`${root}proc/modules`, 'ipip 20480 0 - Live 0x0\nfou 20480 1 - Live 0x0\n');
  });
  after(() => rmSync(root, { recursive: true }));

  const inUserspace: Host = {
    encapsulation: 'userspace',
    root,
    options: { tuning: { isSourceChecked: true } },
    userspace: 'auto',
  };

  it('reports a device of the kernel, which takes packets of any sender', async () => {
    const found = await find('udp-kernel', { encapsulation: 'kernel', tunnelType: 'fou' });
    assert.deepEqual(found?.evidence, ['flannel0: IP in UDP by the kernel, UDP port 8285']);
    assert.match(found.fix, /UDP port 8285 .* from peers alone/);
  });

  it('reports modules that are loaded and not used, and why', async () => {
    const found = await find('udp-kernel', inUserspace);
    assert.deepEqual(found?.evidence, [
      'flannel0: a TUN device, in userspace',
      '/proc/modules: fou and ipip are loaded',
      '"Userspace" is "auto", and --no-source-check is not given',
    ]);
  });

  for (const [name, change] of [
    ['the modules are not loaded', { root: '/nonexistent/' }],
    ['the network config wants userspace', { userspace: true }],
    ['the flag wants userspace', { options: { userspace: true, tuning: { isSourceChecked: true } } }],
    ['sources are not checked', { options: { tuning: { isSourceChecked: false } } }],
    ['the daemon does not answer with its options', { options: undefined }],
  ] as const)
    it(`is silent if ${name}`, async () => {
      assert.equal(await find('udp-kernel', { ...inUserspace, ...change } as Host), undefined);
    });
});

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackendConfig, BackendType } from '../../allocator/config/config.ts';
import type { HostFacts } from '../../backends/backend.ts';
import type { UnderlayMtu } from '../../backends/kernel-state.ts';
import { UDP, VXLAN, host, ip4, network } from '../../backends/fixture.ts';
import type { LoadedNative } from '../../native/index.ts';
import type { DatapathMode } from './datapath-mode.ts';
import {
  checkPacketPath,
  checkCapability,
  checkPrerequisites,
  remedyForLink,
  checkHost,
} from './prerequisites.ts';

describe('checkCapability', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'weft-'))));
  after(() => rm(folder, { recursive: true }));

  const NET_ADMIN = '0000000000001000';
  const cases: readonly [string, string, BackendType, boolean][] = [
    ['all capabilities', 'CapEff:\t000001ffffffffff', 'vxlan', true],
    ['that one alone', `CapEff:\t${NET_ADMIN}`, 'vxlan', true],
    ['all but that one', 'CapEff:\t000001ffffffefff', 'vxlan', false],
    ['none', 'CapEff:\t0000000000000000', 'host-gw', false],
    ['none, and none needed', 'CapEff:\t0000000000000000', 'alloc', true],
    ['it only for the taking', `CapPrm:\t${NET_ADMIN}\nCapEff:\t0000000000000000`, 'vxlan', false],
    ['a status without capabilities', 'Name:\tnode', 'vxlan', true],
  ];
  for (const [name, status, backend, isEnough] of cases)
    it(`${isEnough ? 'passes' : 'fails'} with ${name} for ${backend}`, async () => {
      const path = join(folder, 'status');
      await writeFile(path, `${status}\n`);
      const problem = await checkCapability(backend, path);
      if (isEnough) assert.equal(problem, undefined);
      else assert.match(problem ?? '', new RegExp(`^Backend ${backend} needs CAP_NET_ADMIN .*run as root`));
    });

  it('passes without /proc', async () => {
    assert.equal(await checkCapability('vxlan', join(folder, 'nothing')), undefined);
  });
});

describe('checkPrerequisites', () => {
  const NO_ADDON = { native: undefined, reason: 'not built' } as const;
  /** Backend and datapath, and the prerequisites that are asked for in order. */
  const cases: readonly (readonly [BackendConfig, DatapathMode, readonly string[]])[] = [
    [UDP, 'kernel', ['capability udp']],
    [UDP, 'kernel-first', ['capability udp']],
    [UDP, 'userspace', ['capability udp', 'packet path udp']],
    [VXLAN, 'userspace', ['capability vxlan', 'packet path vxlan']],
    [VXLAN, 'kernel-first', ['capability vxlan']],
    [VXLAN, 'kernel', ['capability vxlan']],
    [{ type: 'host-gw' }, 'userspace', ['capability host-gw']],
    [{ type: 'alloc' }, 'userspace', ['capability alloc']],
  ];
  for (const [backend, mode, expected] of cases)
    it(`asks for ${expected.join(' and ')} with datapath ${mode}`, async () => {
      const run = async (failing: string | undefined, loaded: LoadedNative = NO_ADDON) => {
        const asked: string[] = [];
        const check = (what: string): Promise<string | undefined> => {
          asked.push(what);
          return Promise.resolve(what === failing ? `no ${what}` : undefined);
        };
        let reason: string | undefined;
        const problem = await checkPrerequisites(network('4', backend), mode, {
          capability: (type) => check(`capability ${type}`),
          packetPath: (type, noAddon) => ((reason = noAddon), check(`packet path ${type}`)),
          addon: () => loaded,
        });
        return { asked, problem, reason };
      };
      const passed = await run(undefined);
      assert.deepEqual([passed.asked, passed.problem], [expected, undefined]);
      assert.equal(passed.reason, expected.length > 1 ? 'not built' : undefined);
      assert.equal((await run(undefined, { native: {} } as unknown as LoadedNative)).reason, undefined);
      // The first that is missing is the answer.
      for (const [index, what] of expected.entries()) {
        const { asked, problem } = await run(what);
        assert.deepEqual([asked, problem], [expected.slice(0, index + 1), `no ${what}`]);
      }
    });
});

describe('checkHost', () => {
  const natted = host({ publicIp: ip4('203.0.113.5') });
  const narrow: HostFacts = host({ interface: { ...host().interface, mtu: 100 as UnderlayMtu } });
  const cases: readonly [string, BackendConfig, HostFacts, RegExp | undefined][] = [
    ['nothing odd', VXLAN, host(), undefined],
    ['a NAT', VXLAN, natted, undefined],
    ['a NAT', { type: 'host-gw' }, natted, /host-gw .*203\.0\.113\.5.*10\.9\.0\.1.*--public-ip/],
    ['an MTU of 100', VXLAN, narrow, /MTU of 100 .*raise/],
    ['an MTU of 100', { type: 'alloc' }, narrow, undefined],
    ['a VNI too long for a device name', { ...VXLAN, vni: 16_777_215 }, host(), /VNI 16777215.*9999999/],
  ];
  for (const [name, backend, facts, expected] of cases)
    it(`${expected === undefined ? 'passes' : 'fails'} with ${name} for ${backend.type}`, () => {
      const problem = checkHost(network('4', backend), facts);
      if (expected === undefined) assert.equal(problem, undefined);
      else assert.match(problem ?? '', expected);
    });
});

describe('the remedy for a device that the kernel rejects', () => {
  const vxlan: BackendConfig = { ...VXLAN, vni: 7 };
  const cases: readonly [string, BackendConfig, RegExp | undefined][] = [
    ['EPERM', vxlan, /CAP_NET_ADMIN/],
    ['EOPNOTSUPP', vxlan, /no VXLAN.*modprobe vxlan.*--userspace=true.*make.*host-gw/],
    ['EADDRINUSE', vxlan, /UDP port 8472 .*"Port"/],
    ['EADDRINUSE', { ...vxlan, port: 4789 }, /UDP port 4789 /],
    ['EADDRINUSE', vxlan, /ss -lunp .*ip -d link show type vxlan .*another network namespace/],
    ['EEXIST', vxlan, /VNI 7 and UDP port 8472 .*"VNI"/],
    // Trying again may help.
    ['ENODEV', vxlan, undefined],
    ['ENOBUFS', vxlan, undefined],
    ['EPERM', { type: 'host-gw' }, undefined],
    // Another process serves a TUN device of the name.
    ['EBUSY', vxlan, /stop it/],
  ];
  for (const [errno, backend, expected] of cases)
    it(`of ${errno} with ${JSON.stringify(backend)} is ${String(expected)}`, () => {
      const remedy = remedyForLink(errno, backend, { name: 'flannel.7', isTun: false });
      if (expected === undefined) assert.equal(remedy, undefined);
      else assert.match(remedy ?? '', expected);
    });

  for (const [errno, expected] of [
    ['EOPNOTSUPP', /modprobe -a fou ipip.*--userspace=true/],
    ['EADDRINUSE', /UDP port 8285 .*"Port"/],
    ['EEXIST', /without remote .*flannel0.*remove it/],
    ['ENOBUFS', undefined],
  ] as const)
    it(`${errno} at IP in UDP by the kernel: ${expected ?? 'try again'}`, () => {
      const remedy = remedyForLink(errno, UDP, { name: 'flannel0', isTun: false });
      if (expected === undefined) assert.equal(remedy, undefined);
      else assert.match(remedy ?? '', expected);
    });

  const tunCases: readonly [string, BackendConfig, RegExp | undefined][] = [
    ['EBUSY', UDP, /uses flannel0 .*stop it/],
    ['EADDRINUSE', UDP, /UDP port 8285 .*"Port"/],
    ['EADDRINUSE', UDP, /ss -lunp .*ip -d link show type vxlan .*another network namespace/],
    ['EADDRINUSE', vxlan, /UDP port 8472 .*"Port"/],
    ['EPERM', UDP, /CAP_NET_ADMIN/],
    ['ENOENT', UDP, /modprobe tun/],
    ['EADDRNOTAVAIL', UDP, undefined],
    ['EOPNOTSUPP', vxlan, undefined],
  ];
  for (const [errno, backend, expected] of tunCases)
    it(`of ${errno} in userspace with backend ${backend.type} is ${String(expected)}`, () => {
      const remedy = remedyForLink(errno, backend, { name: 'flannel0', isTun: true });
      if (expected === undefined) assert.equal(remedy, undefined);
      else assert.match(remedy ?? '', expected);
    });
});

describe('checkPacketPath', () => {
  it('passes with addon and TUN driver', async () => {
    assert.equal(await checkPacketPath('udp', undefined, '/dev/null'), undefined);
  });

  it('fails without the addon', async () => {
    const problem = await checkPacketPath('udp', 'weft.node does not exist', '/dev/null');
    assert.match(problem ?? '', /^Backend udp .*weft\.node does not exist; build it: make$/);
  });

  it('fails without the TUN driver', async () => {
    const problem = await checkPacketPath('vxlan', undefined, '/dev/nothing');
    assert.match(problem ?? '', /^Backend vxlan .*\/dev\/nothing: ENOENT: .*modprobe tun/);
  });
});

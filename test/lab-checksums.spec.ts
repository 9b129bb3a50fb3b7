// A network card that corrupts checksums inside of tunnels, on h1: pings pass and TCP does not. The daemon detects and
// fixes it, or obeys the network config.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../cli/doctor/report.ts';
import type { ChecksumOffloadV1, DevicesV1, StatusV1 } from '../api/index.ts';
import { waitFor } from '../lab/wait.ts';
import { breakOffload, repairOffload } from './support/path/bad-offload.ts';
import { canPing, shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';

const PATIENCE_MS = 60_000;
const DEVICES = ['flannel.1', 'flannel-v6.1'];
const configWith = (offload?: string): string =>
  JSON.stringify({
    Network: '10.5.0.0/16',
    EnableIPv6: true,
    IPv6Network: 'fd00:5::/48',
    Backend: { Type: 'vxlan', ...(offload !== undefined && { TxChecksumOffload: offload }) },
  });

describe('checksums that a network card gets wrong', () => {
  const lab = useLab({ hosts: 2, config: configWith(), daemonFlags: ['--probe-interval', '1s'] });

  before(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    await waitFor('containers to reach each other', () => canPing(lab(), 'c1', 'c2'), PATIENCE_MS);
  });

  async function ask<Answer>(host: string, ...args: readonly string[]): Promise<Answer> {
    return JSON.parse((await lab().weft(host, [...args, '--json'])).stdout) as Answer;
  }

  async function statusOf(host: string): Promise<readonly ChecksumOffloadV1[]> {
    return (await ask<StatusV1>(host, 'status')).network?.checksumOffload ?? [];
  }

  const found = (host: string, state: string): Promise<void> =>
    waitFor(
      `${host} to find checksums ${state}`,
      async () => (await statusOf(host)).map((each) => each.found).join() === `${state},${state}`,
      PATIENCE_MS,
    );

  /** State of both devices by ethtool, for example `on`. */
  const kernelHas = (host: string, value: 'on' | 'off'): Promise<void> =>
    waitFor(
      `offloads of ${host} to be ${value}`,
      () =>
        shellTest(
          lab(),
          host,
          DEVICES.map((dev) => `ethtool -k ${dev} | grep -q 'tx-checksum-ip-generic: ${value}$'`).join(
            ' && ',
          ),
        ),
      PATIENCE_MS,
    );

  /** Whether the container of h2 answers a TCP packet of that of h1. */
  async function hasTcp(): Promise<boolean> {
    const address = await lab().containerAddress('c2');
    const script = `const s = require('net').connect({ host: '${address}', port: 9, timeout: 2000 });
      s.on('error', (e) => process.exit(e.code === 'ECONNREFUSED' ? 0 : 1)).on('timeout', () => process.exit(1));`;
    return (await lab().exec('c1', [process.execPath, '-e', script])).code === 0;
  }

  const finding = async (): Promise<DoctorV1['findings'][number] | undefined> =>
    (await ask<DoctorV1>('h1', 'doctor', '--only', 'checksum-offload')).findings[0];

  it('are found right where they are, and nothing is touched', async () => {
    for (const host of ['h1', 'h2']) await found(host, 'good');
    await kernelHas('h1', 'on');
    assert.equal(await finding(), undefined);
  });

  it('are computed by the host once detected, in both families, and stay so after a foreign change', async () => {
    await breakOffload(lab(), 'h1');
    await waitFor('pings to pass', () => canPing(lab(), 'c1', 'c2'), PATIENCE_MS);
    await found('h1', 'bad');
    await kernelHas('h1', 'off');
    await waitFor('TCP to pass', hasTcp, PATIENCE_MS);
    await lab().check('h1', ['ethtool', '-K', 'flannel.1', 'tx-checksum-ip-generic', 'on']);
    await kernelHas('h1', 'off');
    await lab().check('h1', ['ip', 'link', 'del', 'flannel.1']);
    await kernelHas('h1', 'off');
    await kernelHas('h2', 'on');
  });

  it('are reported by status, ifconfig, events, metrics and doctor', async () => {
    assert.match((await lab().weft('h1', ['status'])).stdout, /checksums {2}of flannel\.1 by this host/);
    const { devices } = await ask<DevicesV1>('h1', 'ifconfig');
    assert.deepEqual(
      devices.map(({ tunnel }) => tunnel?.hasChecksumOffload),
      [false, false],
    );
    const events = (await lab().weft('h1', ['watch', '-n', '256', '--once', '--json'])).stdout;
    assert.equal(events.match(/"offload-bad"/g)?.length, 2);
    const warned = await finding();
    assert.equal(warned?.severity, 'warning');
    assert.match(warned.evidence.join(), /flannel\.1 since .*10\.5\./);
  });

  it('are computed by the host still after a restart', async () => {
    await lab().stopDaemon('h1');
    await lab().startDaemon('h1');
    await found('h1', 'off');
    await kernelHas('h1', 'off');
    assert.ok(await hasTcp());
  });

  it('stay wrong with "on", and doctor reports it', async () => {
    await lab().putConfig(configWith('on'));
    await kernelHas('h1', 'on');
    assert.equal(await hasTcp(), false);
    const broken = await finding();
    assert.equal(broken?.severity, 'error');
    assert.match(broken.fix, /"TxChecksumOffload": "auto"/);
  });

  it('are computed by every host with "off"', async () => {
    await lab().putConfig(configWith('off'));
    for (const host of ['h1', 'h2']) await kernelHas(host, 'off');
    await waitFor('TCP to pass', hasTcp, PATIENCE_MS);
    assert.equal(await finding(), undefined);
  });

  it('return to the card once it is repaired, without packet loss', async () => {
    await repairOffload(lab(), 'h1');
    await waitFor('pings to pass', () => canPing(lab(), 'c1', 'c2'), PATIENCE_MS);
    const address = await lab().containerAddress('c2');
    const pings = lab().exec('c1', ['ping', '-q', '-i', '0.02', '-c', '150', address]);
    for (const [offload, value] of [
      ['auto', 'on'],
      ['off', 'off'],
      ['auto', 'on'],
    ] as const) {
      await lab().putConfig(configWith(offload));
      for (const host of ['h1', 'h2']) await kernelHas(host, value);
    }
    await found('h1', 'good');
    assert.match((await pings).stdout, /150 received/);
  });
});

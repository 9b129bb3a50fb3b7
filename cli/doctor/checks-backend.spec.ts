import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { ControlClient } from '../client/control-client.ts';
import { PEERS } from '../fixture/peers.ts';
import { STATUS } from '../fixture/status.ts';
import type { Found } from './check.ts';
import { BACKEND_CHECKS } from './checks-backend.ts';
import { Facts } from './facts.ts';

interface Host {
  readonly backend: string;
  readonly reason?: string;
  /** Programs that end with success, with their output. */
  readonly programs?: Readonly<Record<string, string>>;
}

async function find(id: string, { backend, reason, programs = {} }: Host): Promise<Found | undefined> {
  const [peer] = PEERS.peers;
  const answers: Readonly<Record<string, unknown>> = {
    status: { ...STATUS, network: { ...STATUS.network!, backend } },
    peers: { ...PEERS, peers: [{ ...peer!, key: '10.5.2.0-24', ...(reason !== undefined && { reason }) }] },
  };
  const facts = new Facts({
    client: { request: (name: string) => Promise.resolve(answers[name]) } as unknown as ControlClient,
    etcd: { endpoints: [], prefix: '/x' },
    root: '/nonexistent/',
    output: (argv) => Promise.resolve(programs[argv.join(' ')]),
  });
  const text = JSON.stringify({ Network: '10.5.0.0/16', Backend: { Type: backend } });
  Object.defineProperty(facts, 'registry', { value: Promise.resolve({ config: { text } }) });
  return (await BACKEND_CHECKS.find((check) => check.id === id)!.run(facts))[0];
}

describe('checks of single backends of weft doctor', () => {
  it('report a failed command with its peer and output', async () => {
    const reason = 'SubnetAddCommand ended with code 2: RTNETLINK answers: File exists';
    const found = await find('command-failed', { backend: 'extension', reason });
    assert.deepEqual(found?.evidence, [`10.5.2.0-24: ${reason}`]);
  });

  it('are silent for another error, and for another backend', async () => {
    const reason = 'SubnetAddCommand ended with code 2';
    assert.equal(await find('command-failed', { backend: 'extension', reason: 'other' }), undefined);
    assert.equal(await find('command-failed', { backend: 'vxlan', reason }), undefined);
  });

  const kmod = { 'modprobe --version': 'kmod version 30' };
  it('report a kernel without ipip', async () => {
    const found = await find('module-missing', { backend: 'ipip', programs: kmod });
    assert.equal(found?.title, 'The kernel of this host has no IP-in-IP devices');
  });

  it('report peers without an IPsec tunnel', async () => {
    const line = 'x-10.5.1.0/24-10.5.2.0/24-ADDRESS: #1, STATE, IKEv2, 0123_i* 4567_r';
    const sas = (state: string, address: string): Host => ({
      backend: 'ipsec',
      programs: { 'swanctl --list-sas': line.replace('STATE', state).replace('ADDRESS', address) },
    });
    const { publicIp = '' } = PEERS.peers[0]!;
    assert.equal(await find('ipsec-tunnel', sas('ESTABLISHED', publicIp)), undefined);
    for (const host of [sas('CONNECTING', publicIp), sas('ESTABLISHED', '192.0.2.1')])
      assert.match((await find('ipsec-tunnel', host))?.title ?? '', /no IPsec tunnel to 1 peer$/);
  });

  const silent: readonly [string, Host][] = [
    ['a module', { backend: 'ipip', programs: { ...kmod, 'modprobe -n ipip': '' } }],
    ['a device', { backend: 'ipip', programs: { ...kmod, 'ip -j link show type ipip': '[{"ifname":"x"}]' } }],
    ['no modprobe', { backend: 'ipip' }],
    ['another backend', { backend: 'vxlan', programs: kmod }],
  ];
  for (const [what, host] of silent)
    it(`are silent with ${what}`, async () => assert.equal(await find('module-missing', host), undefined));
});

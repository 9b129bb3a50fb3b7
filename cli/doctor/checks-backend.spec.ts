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

  describe('of ipsec', () => {
    const { publicIp = '' } = PEERS.peers[0]!;
    const CHILD =
      '  10.5.1.0/24-10.5.2.0/24: #3, reqid 11, INSTALLED, TUNNEL, ESP:AES_GCM_16-128\n    installed 5s ago';
    const sa = (state: string, { address = publicIp, spi = '4567', lines = '' } = {}): string =>
      `x-10.5.1.0/24-10.5.2.0/24-${address}: #1, ${state}, IKEv2, 0123_i* ${spi}_r\n  local  '192.0.2.9'\n${lines}\n`;
    const findTunnel = (...sas: readonly string[]): Promise<Found | undefined> =>
      find('ipsec-tunnel', { backend: 'ipsec', programs: { 'swanctl --list-sas': sas.join('') } });

    it('find nothing where one of the SAs of a peer has a tunnel', async () => {
      assert.equal(await findTunnel(sa('ESTABLISHED', { lines: CHILD })), undefined);
      assert.equal(await findTunnel(sa('ESTABLISHED'), sa('ESTABLISHED', { lines: CHILD })), undefined);
    });

    for (const [what, sas, evidence, fix] of [
      [
        'whose charon does not answer',
        [sa('CONNECTING', { spi: '0000000000000000' })],
        /does not answer/,
        /ports 500 and 4500/,
      ],
      ['with another PSK', [], /no connection/, /"PSK"/],
      ['with another PSK, just tried', [sa('CONNECTING')], /no connection/, /AUTHENTICATION_FAILED/],
      ['without ESP', [sa('ESTABLISHED')], /no ESP tunnel/, /modprobe esp4/],
      [
        'that is another than the one of the tunnel',
        [sa('ESTABLISHED', { address: '192.0.2.1', lines: CHILD })],
        /no connection/,
        /PSK/,
      ],
    ] as const)
      it(`report a peer ${what}`, async () => {
        const found = await findTunnel(...sas);
        assert.match(found?.title ?? '', /no IPsec tunnel to 1 peer$/);
        assert.match(found?.evidence.join('') ?? '', evidence);
        assert.match(found?.fix ?? '', fix);
      });
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

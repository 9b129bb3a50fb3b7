import assert from 'node:assert/strict';
import type { Ipv4Cidr } from '../../lib/address.ts';
import type { AgentProcess } from './agent-process.ts';
import type { AgentCall } from './agent.ts';
import { openBack } from './open-back.ts';

const LISTENER = { address: '10.5.2.254', tcp: 5, udp: 6 };

describe('a test endpoint that opens connections back', () => {
  const sent: string[] = [];
  const agent = {
    call: (request: AgentCall) => {
      if (request.call === 'probe') sent.push(`${request.spec.kind} ${request.spec.to} ${request.spec.port}`);
      return Promise.resolve({ ok: true, seen: '10.5.2.0' });
    },
  } as unknown as AgentProcess;
  const answer = {
    kind: 'endpoint',
    token: '',
    host: [{ ...LISTENER, layer: 'overlay' }],
    container: [],
    missing: [],
  } as const;
  const open = (...addresses: readonly string[]) => {
    sent.length = 0;
    const targets = addresses.map((address) => ({ address, tcp: 7, udp: 8 }));
    const back = { token: '0123456789abcdef', host: [], container: targets };
    return openBack({ agent, container: 'none', answer }, back, { ipv4: '10.5.1.0/24' as Ipv4Cidr });
  };

  it('tries TCP and UDP', async () => {
    const opened = await open('10.5.1.254');
    assert.deepEqual(sent, ['tcp 10.5.1.254 7', 'udp 10.5.1.254 8']);
    assert.deepEqual(
      opened.map(({ from, to, test, seen }) => `${from} ${to} ${test} ${seen}`),
      ['host container tcp 10.5.2.0', 'host container udp 10.5.2.0'],
    );
  });

  it('sends nothing to addresses that are none of the host that asks', async () => {
    for (const address of ['10.5.2.9', '198.18.1.1', '127.0.0.1', 'fd00::1', 'example.org'])
      assert.deepEqual(await open(address), [], address);
    assert.deepEqual(sent, []);
  });
});

import assert from 'node:assert/strict';
import type { ExtensionConfig } from '../allocator/config/config.ts';
import { extensionBackend as backend } from './extension.ts';
import { context, host, network, plainPeer, route, type Families } from './fixture.ts';
import type { CommandObject } from './kernel-state.ts';

const EXTENSION: ExtensionConfig = {
  type: 'extension',
  preStartupCommand: '',
  postStartupCommand: 'up',
  shutdownCommand: 'down',
  subnetAddCommand: 'add',
  subnetRemoveCommand: 'remove',
  isShell: false,
};

describe('the backend extension', () => {
  const own = (families: Families, facts = host()) => context(backend, network(families, EXTENSION), facts);
  const peer = (families: Families, changes = {}) =>
    plainPeer(2, families, { backendType: 'extension', ...changes });
  const commandOf = (objects: readonly unknown[]): CommandObject => objects[0] as CommandObject;

  it('publishes the output of the command before the lease', () =>
    assert.deepEqual(backend.attributes(network('4', EXTENSION), host({ extensionData: 'id-7' })), {
      backendType: 'extension',
      backendData: 'id-7',
      publicIp: '10.9.0.1',
    }));

  it('publishes no data without such a command', () =>
    assert.deepEqual(backend.attributes(network('46', EXTENSION), host()), {
      backendType: 'extension',
      publicIp: '10.9.0.1',
      publicIpv6: '2001:db8::1',
    }));

  it("runs the host's commands with flannel's variables", () => {
    const { environment, addCommand, removeCommand, subject } = commandOf(backend.deriveHost(own('4')));
    assert.deepEqual([subject, addCommand, removeCommand], ['host', 'up', 'down']);
    assert.deepEqual(environment.split('\n'), [
      'NETWORK=10.5.0.0/16',
      'SUBNET=10.5.1.0/24',
      'IPV6SUBNET=::/0',
      'PUBLIC_IP=10.9.0.1',
      'PUBLIC_IPV6=2001:db8::1',
    ]);
  });

  it('runs a command of a peer with its subnet, address and data', () => {
    const state = backend.derivePeer(own('4'), peer('4', { backendData: 'id-2' }));
    assert.equal(state.mode, 'command');
    const { environment, input, subject } = commandOf(state.objects);
    assert.equal(subject, '10.5.2.0/24');
    assert.equal(environment, 'SUBNET=10.5.2.0/24\nPUBLIC_IP=10.9.0.2');
    assert.equal(input, 'id-2\n');
  });

  it('runs one command for both families of a peer', () => {
    const { objects } = backend.derivePeer(own('46'), peer('46'));
    assert.deepEqual(
      objects.map((object) => (object as CommandObject).environment.split('\n').slice(2)),
      [['IPV6SUBNET=fd00:0:0:2::/64', 'PUBLIC_IPV6=2001:db8::2']],
    );
  });

  it('leaves a route alone that a command made', () => {
    const facts = host({ underlayRoutes: [route('10.9.0.0/24'), route('10.5.2.0/24', { dev: 'gre1' })] });
    assert.equal(backend.derivePeer(own('4', facts), peer('4')).mode, 'command');
    const ownership = backend.ownership(network('4', EXTENSION), facts);
    assert.deepEqual(ownership.networks, [{ network: '10.5.0.0/16', subnetLength: 0 }]);
  });

  const errors: readonly [string, object, RegExp][] = [
    [
      'data that is no string',
      { backendData: { a: 1 } },
      /its extension data is {"a":1}, which is no string/,
    ],
    ['another backend', { backendType: 'vxlan' }, /its backend is "vxlan" and this host's is "extension"/],
  ];
  for (const [name, changes, reason] of errors)
    it(`runs nothing for a peer with ${name}`, () => {
      const state = backend.derivePeer(own('4'), peer('4', changes));
      assert.equal(state.mode, 'error');
      assert.match(state.reason ?? '', reason);
    });
});

// The reconciler and commands of the backend extension.
import assert from 'node:assert/strict';
import type { PeerState } from '../../backends/backend.ts';
import { cidr, ip4 } from '../../backends/fixture.ts';
import type { CommandObject, RouteObject } from '../../backends/kernel-state.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { newKernel, type CountingKernel } from '../../test/support/reconciler-host.ts';
import { Reconciler } from './reconciler.ts';

const OWNERSHIP = { devices: [], networks: [], interface: 'eth0', hasCommands: true };
const KEY = '10.5.2.0-24';

const command = (subject: string, changes: Partial<CommandObject> = {}): CommandObject => ({
  kind: 'command',
  subject,
  addCommand: 'add',
  removeCommand: 'remove',
  isShell: false,
  environment: '',
  input: '',
  ...changes,
});
const peer = (changes: Partial<CommandObject> = {}): PeerState => ({
  mode: 'command',
  objects: [command('10.5.2.0/24', changes)],
});

describe('the reconciler of commands', () => {
  let clock: FakeClock;
  let kernel: CountingKernel;
  let reconciler: Reconciler;

  beforeEach(() => {
    clock = new FakeClock();
    kernel = newKernel();
    reconciler = new Reconciler({ kernel, clock, random: () => 0.5 });
  });

  async function start(state: PeerState): Promise<void> {
    reconciler.setHost(OWNERSHIP, [command('host')]);
    reconciler.setPeer(KEY, state);
    reconciler.markComplete();
    reconciler.start();
    await clock.settle();
  }

  it('runs that of the host first, each once, and the removal of a peer that left', async () => {
    await start(peer());
    reconciler.resync();
    await clock.settle();
    reconciler.removePeer(KEY);
    await clock.settle();
    assert.deepEqual(kernel.commands.runs, ['add host', 'add 10.5.2.0/24', 'remove 10.5.2.0/24']);
  });

  it('runs it again with other values', async () => {
    await start(peer());
    reconciler.setPeer(KEY, peer({ environment: 'PUBLIC_IP=10.9.0.3' }));
    await clock.settle();
    assert.deepEqual(kernel.commands.runs.slice(2), ['add 10.5.2.0/24']);
  });

  it('reports a failure as that of its peer, and tries again with back-off', async () => {
    kernel.injectFault('command 10.5.2.0/24', 'EPERM', 2);
    await start(peer());
    assert.equal(reconciler.peerStatus(KEY)?.state, 'error');
    assert.equal(reconciler.summary().host.state, 'in-sync');
    await clock.advance(60_000);
    assert.equal(reconciler.peerStatus(KEY)?.state, 'in-sync');
  });

  const route: RouteObject = {
    kind: 'route',
    destination: cidr('10.5.2.0/24'),
    gateway: ip4('10.9.0.2'),
    dev: 'eth0',
    isOnLink: true,
  };
  const hasRoute = async () => {
    const networks = [{ network: cidr('10.5.0.0/16'), subnetLength: 0 }];
    const { objects } = await kernel.inspect({ ...OWNERSHIP, networks });
    return objects.has('route 10.5.2.0/24');
  };

  it('keeps a route until the command in its place has succeeded, and the reverse', async () => {
    const networks = [{ network: cidr('10.5.0.0/16'), subnetLength: 0 }];
    reconciler.setHost({ ...OWNERSHIP, networks }, [command('host')]);
    await start({ mode: 'direct', objects: [route] });
    reconciler.setHost({ ...OWNERSHIP, networks }, [command('host')]);
    await clock.settle();
    assert.ok(await hasRoute());
    kernel.injectFault('command 10.5.2.0/24', 'EPERM', 1);
    reconciler.setPeer(KEY, peer());
    await clock.settle();
    assert.ok(await hasRoute());
    await clock.advance(60_000);
    assert.deepEqual([await hasRoute(), reconciler.peerStatus(KEY)?.state], [false, 'in-sync']);
    kernel.injectFault('route 10.5.2.0/24', 'EPERM', 1);
    kernel.commands.runs.length = 0;
    reconciler.setPeer(KEY, { mode: 'direct', objects: [route] });
    await clock.settle();
    assert.deepEqual(kernel.commands.runs, []);
    await clock.advance(60_000);
    assert.deepEqual([await hasRoute(), kernel.commands.runs], [true, ['remove 10.5.2.0/24']]);
  });

  it('removes what a command made once the route in its place is there, whatever is read until then', async () => {
    await start(peer());
    const networks = [{ network: cidr('10.5.0.0/16'), subnetLength: 24 }];
    kernel.injectFault('route 10.5.2.0/24', 'ENETUNREACH');
    reconciler.setHost({ devices: [], networks, interface: 'eth0' }, []);
    reconciler.setPeer(KEY, { mode: 'direct', objects: [route] });
    await clock.settle();
    kernel.commands.runs.length = 0;
    for (let read = 0; read < 20; read++) {
      reconciler.resync();
      await clock.advance(5_000);
    }
    assert.deepEqual(
      kernel.commands.runs.filter((run) => run !== 'remove host'),
      [],
    );
    kernel.clearFault('route 10.5.2.0/24');
    await clock.advance(80_000);
    assert.ok(kernel.commands.runs.includes('remove 10.5.2.0/24'));
  });

  it('runs it again for a peer that comes back after its removal failed', async () => {
    await start(peer());
    kernel.injectFault('command 10.5.2.0/24', 'EPERM', 1);
    reconciler.removePeer(KEY);
    await clock.settle();
    reconciler.setPeer(KEY, peer());
    await clock.settle();
    assert.deepEqual(kernel.commands.runs.slice(2), ['add 10.5.2.0/24']);
    assert.equal(reconciler.peerStatus(KEY)?.state, 'in-sync');
  });

  it('removes what a failed command may have made, as soon as its peer has left', async () => {
    kernel.injectFault('command 10.5.2.0/24', 'EPERM', 1);
    await start(peer());
    reconciler.removePeer(KEY);
    await clock.settle();
    assert.deepEqual(kernel.commands.runs, ['add host', 'remove 10.5.2.0/24']);
  });
});

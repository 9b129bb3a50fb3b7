// Migrations from and to wireguard, and to other keys: devices and ports of the generations, and by
// what each peer is sent to.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { DEFAULT_WIREGUARD } from '../../allocator/config/parse-wireguard.ts';
import type { BackendConfig, WireguardConfig } from '../../allocator/config/config.ts';
import type { OwnLease } from '../../allocator/lease/lease-events.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import { host, lease, network, subnets, VXLAN, vxlanPeer } from '../../backends/fixture.ts';
import { wireguardPublicKey } from '../../lib/wireguard-key.ts';
import {
  attributesOf,
  deriveContexts,
  derivePeer,
  findUnanswered,
  type OverlayInputs,
} from './derive-overlay.ts';
import { next } from './migration-state-machine.ts';
import { initialState, withFormer, type MigrationState } from './migration-state.ts';

const keyOf = (fill: number): string => wireguardPublicKey(Buffer.alloc(32, fill));
const PUBLIC_KEYS = { 0: keyOf(1), 1: keyOf(2), 2: keyOf(3) };
const PEER_KEYS = [keyOf(10), keyOf(11), keyOf(12)] as const;
const canUse = (): boolean => true;
const epoch = (keyEpoch: number): WireguardConfig => ({ ...DEFAULT_WIREGUARD, keyEpoch });

function inputsOf(migration: MigrationState, answered: readonly string[] = []): OverlayInputs {
  const config = network('4', migration.known[0]!.backend);
  const handshakes = {
    has: (dev: string, key: string) => answered.includes(`${dev} ${key}`),
    isLate: () => false,
  };
  const facts = { ...host(), wireguard: { publicKeys: PUBLIC_KEYS }, handshakes };
  return { host: { config, clusterConfig: config }, facts, migration };
}

function started(backend: BackendConfig, published?: LeaseAttributes): MigrationState {
  return next(initialState(backend, 0), { kind: 'started', published, canUse }, 0).state;
}

function wanting(state: MigrationState, backend: BackendConfig): MigrationState {
  return next(state, { kind: 'backend-changed', backend, canUse }, 0).state;
}

/** The state once the kernel holds all and every peer has followed. */
function followed(state: MigrationState): MigrationState {
  let current = state;
  for (const nowMs of [0, 1, 2, 10_000, 20_000]) {
    const seen = { isSettled: true, isPublished: true, pending: 0, behind: 0 };
    current = next(current, { kind: 'observed', ...seen }, nowMs).state;
  }
  return current;
}

const slotsOf = ({ known }: MigrationState): readonly (number | string)[] =>
  known.map(({ backend }) => (backend.type === 'wireguard' ? (backend.slot ?? 0) : backend.type));

/** Slot of each transport, by its id. */
const placesOf = ({ known }: MigrationState): Readonly<Record<string, number>> =>
  Object.fromEntries(
    known.map(({ id, backend }) => [id, backend.type === 'wireguard' ? (backend.slot ?? 0) : -1]),
  );

/** The second host, announcing wireguard of an epoch and leaving something. */
function peerOf(
  keyEpoch: number | undefined,
  leaving: NonNullable<LeaseAttributes['weft']>['leaving'] = [],
): Lease {
  const { publicIp } = vxlanPeer(2).attributes;
  const weft = { ...(keyEpoch !== undefined && { keyEpoch }), ...(leaving.length > 0 && { leaving }) };
  return lease('10.5.2.0/24', {
    ...(publicIp && { publicIp }),
    backendType: 'wireguard',
    backendData: { PublicKey: PEER_KEYS[keyEpoch ?? 0], Port: 51820 },
    ...(Object.keys(weft).length > 0 && { weft }),
  });
}

const LEAVING_VXLAN = { backendType: 'vxlan', backendData: { VNI: 1, VtepMAC: 'c6:00:00:00:04:02' } };
const leavingEpoch = (keyEpoch: number) => ({
  backendType: 'wireguard',
  backendData: { PublicKey: PEER_KEYS[keyEpoch], Port: 51820 },
  keyEpoch,
});

/** Devices of the routes to a peer, and those that know its key. */
function devicesOf(migration: MigrationState, peer: Lease, answered: readonly string[] = []) {
  const inputs = inputsOf(migration, answered);
  const own = { subnets: subnets('10.5.1.0/24'), attributes: attributesOf(inputs) } as OwnLease;
  const state = derivePeer(migration, deriveContexts(inputs, own), peer);
  assert.ok(state);
  const of = (kind: string) =>
    state.objects.flatMap((object) => (object.kind === kind && 'dev' in object ? [object.dev] : [])).sort();
  const unanswered = findUnanswered(migration, deriveContexts(inputs, own), [[peer.key, peer]]);
  return {
    mode: state.mode,
    routes: of('route'),
    peers: of('wireguard-peer'),
    unanswered: unanswered.length,
  };
}

describe('migration with wireguard', () => {
  it('each generation has a device that the former one has not, and the next goes back', () => {
    let state = started(epoch(0));
    assert.deepEqual(slotsOf(state), [0]);
    state = wanting(state, epoch(1));
    assert.deepEqual(slotsOf(state), [1, 0]);
    state = followed(state);
    assert.deepEqual(slotsOf(state), [1]);
    state = wanting(state, epoch(2));
    assert.deepEqual(slotsOf(state), [0, 1]);
    assert.deepEqual(slotsOf(followed(state)), [0]);
  });

  it('a change back in the middle keeps both devices', () => {
    const state = wanting(wanting(started(epoch(0)), epoch(1)), epoch(0));
    assert.deepEqual(slotsOf(state), [0, 1]);
  });

  it('a restarted daemon finds the devices by the ports in its lease, at each state', () => {
    let state = wanting(followed(wanting(started(epoch(0)), epoch(1))), epoch(2));
    for (const step of ['preparing', 'leaving', 'draining', 'removing', 'steady'] as const) {
      const published = attributesOf(inputsOf(state));
      assert.equal(state.kind, step);
      const restarted = started(epoch(2), published);
      // A daemon that ends while it removes a device leaves it to the next one.
      const held = step === 'removing' ? withFormer(state) : state;
      assert.deepEqual(placesOf(restarted), placesOf(held), step);
      const seen = { isSettled: true, isPublished: true, pending: 0, behind: 0 };
      const nowMs = step === 'draining' ? 10_000 : 0;
      state = next(state, { kind: 'observed', ...seen }, nowMs).state;
      if (step === 'draining') state = next(state, { kind: 'observed', ...seen }, 20_000).state;
    }
  });

  it('publishes the key of each generation with its port', () => {
    const state = wanting(started(epoch(0)), epoch(1));
    const leaving = next(
      state,
      { kind: 'observed', isSettled: true, isPublished: true, pending: 1, behind: 1 },
      0,
    );
    const { backendData, weft } = attributesOf(inputsOf(leaving.state));
    assert.deepEqual(backendData, { PublicKey: PUBLIC_KEYS[1], Port: 51822 });
    assert.equal(weft?.keyEpoch, 1);
    assert.deepEqual(weft?.leaving, [
      { backendType: 'wireguard', backendData: { PublicKey: PUBLIC_KEYS[0], Port: 51820 }, keyEpoch: 0 },
    ]);
  });

  it('a peer on vxlan is sent to by vxlan, and its key is not known', () => {
    const state = wanting(started(VXLAN), epoch(0));
    assert.deepEqual(devicesOf(state, vxlanPeer(2)), {
      mode: 'tunnel',
      routes: ['flannel.1'],
      peers: [],
      unanswered: 0,
    });
  });

  it('a peer that announces wireguard is sent to by vxlan until it answers, and its key is set before', () => {
    const state = wanting(started(VXLAN), epoch(0));
    const peer = peerOf(0, [LEAVING_VXLAN]);
    const before = devicesOf(state, peer);
    assert.deepEqual(before, { mode: 'tunnel', routes: ['flannel.1'], peers: ['flannel-wg'], unanswered: 1 });
    const after = devicesOf(state, peer, [`flannel-wg ${PEER_KEYS[0]}`]);
    assert.deepEqual(after, { mode: 'tunnel', routes: ['flannel-wg'], peers: ['flannel-wg'], unanswered: 0 });
  });

  it('each device has the peer by the key of its generation', () => {
    const state = wanting(started(epoch(0)), epoch(1));
    const peer = peerOf(1, [leavingEpoch(0)]);
    const both = ['flannel-wg', 'flannel-wg.1'];
    assert.deepEqual(devicesOf(state, peer), {
      mode: 'tunnel',
      routes: ['flannel-wg'],
      peers: both,
      unanswered: 1,
    });
    const answered = [`flannel-wg.1 ${PEER_KEYS[1]}`];
    assert.deepEqual(devicesOf(state, peer, answered).routes, ['flannel-wg.1']);
  });

  it('a host of flannel is sent to by the generation that it answers', () => {
    const state = wanting(started(epoch(0)), epoch(1));
    const peer = peerOf(undefined);
    assert.deepEqual(devicesOf(state, peer).routes, ['flannel-wg']);
    assert.deepEqual(devicesOf(state, peer, [`flannel-wg ${PEER_KEYS[0]}`]).routes, ['flannel-wg']);
    const answered = [`flannel-wg ${PEER_KEYS[0]}`, `flannel-wg.1 ${PEER_KEYS[0]}`];
    assert.deepEqual(devicesOf(state, peer, answered).routes, ['flannel-wg.1']);
  });

  it('with one transport no handshake is waited for', () => {
    const state = started(epoch(0));
    assert.deepEqual(devicesOf(state, peerOf(0)), {
      mode: 'tunnel',
      routes: ['flannel-wg'],
      peers: ['flannel-wg'],
      unanswered: 0,
    });
  });
});

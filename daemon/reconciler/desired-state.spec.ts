import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { parseMac } from '../../lib/address.ts';
import { cidr, ip4 } from '../../backends/fixture.ts';
import type { KernelObject } from '../../backends/kernel-state.ts';
import { renderObjects } from '../../backends/render.ts';
import { DesiredState, HOST } from './desired-state.ts';

function fdb(mac: number, destination: number): KernelObject {
  const parsed = parseMac(`c6:00:00:00:00:${mac.toString(16).padStart(2, '0')}`);
  assert.ok(parsed);
  return { kind: 'fdb', dev: 'flannel.1', mac: parsed, destination: ip4(`10.9.0.${destination}`) };
}

function route(subnet: number): KernelObject {
  const gateway = ip4(`10.5.${subnet}.0`);
  return {
    kind: 'route',
    destination: cidr(`10.5.${subnet}.0/24`),
    gateway,
    dev: 'flannel.1',
    isOnLink: true,
  };
}

const lines = (desired: DesiredState): readonly string[] => renderObjects(desired.objects.values());

describe('DesiredState', () => {
  it('returns exactly the keys that changed', () => {
    const desired = new DesiredState();
    assert.deepEqual([...desired.set('b', [fdb(1, 2), route(2)]).keys].sort(), [
      'fdb flannel.1 c6:00:00:00:00:01',
      'route 10.5.2.0/24',
    ]);
    assert.deepEqual([...desired.set('b', [fdb(1, 2), route(2)]).keys], []);
    assert.deepEqual([...desired.set('b', [fdb(1, 3), route(2)]).keys], ['fdb flannel.1 c6:00:00:00:00:01']);
    assert.deepEqual([...desired.set('b', [route(2)]).keys], ['fdb flannel.1 c6:00:00:00:00:01']);
  });

  it('keeps an equal object of two owners until both are removed', () => {
    const desired = new DesiredState();
    desired.set('a', [fdb(1, 2)]);
    assert.deepEqual([...desired.set('b', [fdb(1, 2)]).keys], []);
    assert.deepEqual([...desired.set('a', []).keys], []);
    assert.equal(desired.ownerOf('fdb flannel.1 c6:00:00:00:00:01'), 'b');
    assert.equal(desired.set('b', []).keys.size, 1);
    assert.deepEqual(lines(desired), []);
  });

  it('gives a key to the first of two conflicting owners in key order and nothing to the other', () => {
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const desired = new DesiredState();
      for (const owner of order)
        desired.set(owner, owner === 'a' ? [fdb(1, 2), route(2)] : [fdb(1, 3), route(3)]);
      assert.deepEqual(desired.conflictOf('b'), { key: 'fdb flannel.1 c6:00:00:00:00:01', winner: 'a' });
      assert.equal(desired.conflictOf('a'), undefined);
      assert.deepEqual(lines(desired), renderObjects([fdb(1, 2), route(2)]));
    }
  });

  it('activates the blocked owner when the winner drops the key', () => {
    const desired = new DesiredState();
    desired.set('b', [fdb(1, 3), route(3)]);
    desired.set('a', [fdb(1, 2), route(2)]);
    const change = desired.set('a', [route(2)]);
    assert.deepEqual([...change.owners], ['b']);
    assert.deepEqual(lines(desired), renderObjects([fdb(1, 3), route(3), route(2)]));
  });

  it('gives the host precedence over every peer', () => {
    const desired = new DesiredState();
    desired.set('!first', [fdb(1, 3)]);
    desired.set(HOST, [fdb(1, 2)]);
    assert.equal(desired.conflictOf('!first')?.winner, HOST);
  });

  it('does not let a blocked owner block others', () => {
    const desired = new DesiredState();
    desired.set('c', [fdb(2, 9)]);
    desired.set('b', [fdb(1, 8), fdb(2, 8)]);
    assert.equal(desired.conflictOf('c')?.winner, 'b');
    desired.set('a', [fdb(1, 7)]);
    assert.equal(desired.conflictOf('b')?.winner, 'a');
    assert.equal(desired.conflictOf('c'), undefined);
    assert.deepEqual(lines(desired), renderObjects([fdb(1, 7), fdb(2, 9)]));
  });

  it('counts the devices that desired objects use', () => {
    const desired = new DesiredState();
    desired.set('a', [route(2)]);
    assert.equal(desired.usesDevice('flannel.1'), true);
    desired.set('a', []);
    assert.equal(desired.usesDevice('flannel.1'), false);
  });

  it('depends on the present claims, independent of their order', () => {
    const owner = fc.constantFrom('a', 'b', 'c', 'd', HOST);
    const objects = fc.array(
      fc.oneof(
        fc
          .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }))
          .map(([mac, to]) => fdb(mac, to)),
        fc.integer({ min: 1, max: 3 }).map(route),
      ),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(owner, objects), { maxLength: 20 }), (history) => {
        const desired = new DesiredState();
        const shown = new Map<string, KernelObject>();
        for (const [who, what] of history)
          for (const key of desired.set(who, what).keys) {
            const now = desired.objects.get(key);
            if (now === undefined) shown.delete(key);
            else shown.set(key, now);
          }
        const fresh = new DesiredState();
        for (const [who, what] of new Map(history)) fresh.set(who, what);
        assert.deepEqual(lines(desired), lines(fresh));
        // The returned keys are enough to follow the state.
        assert.deepEqual(renderObjects(shown.values()), lines(desired));
        for (const who of ['a', 'b', 'c', 'd'])
          assert.deepEqual(desired.conflictOf(who)?.winner, fresh.conflictOf(who)?.winner);
      }),
    );
  });
});

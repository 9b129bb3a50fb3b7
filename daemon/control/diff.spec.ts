import assert from 'node:assert/strict';
import type { Cidr, IpAddress } from '../../lib/address.ts';
import type { KernelObject } from '../../backends/kernel-state.ts';
import { objectKey } from '../../backends/kernel-state.ts';
import type { ActualObject } from '../kernel/actual-state.ts';
import { diffOf } from './diff.ts';
import type { KernelSnapshot } from './kernel-snapshot.ts';

function route(destination: string, gateway: string): KernelObject {
  return {
    kind: 'route',
    destination: destination as Cidr,
    gateway: gateway as IpAddress,
    dev: 'flannel.1',
    isOnLink: true,
  };
}

const SETTING = { kind: 'sysctl', path: 'net/x', value: '1' } as const;

function differences(desired: readonly KernelObject[], actual: readonly KernelObject[]) {
  const byKey = <Kind extends KernelObject>(objects: readonly Kind[]) =>
    new Map(objects.map((object) => [objectKey(object), object]));
  const reconciler = {
    desired: byKey(desired),
    ownerOf: () => '10.5.2.0-24',
    summary: () => ({ host: {} }),
    peerStatus: () => ({ reason: 'the kernel rejected it' }),
  } as unknown as KernelSnapshot['reconciler'];
  const state = { objects: byKey(actual as readonly ActualObject[]), foreignLinks: new Map() };
  return diffOf({ reconciler, actual: state }, 0).differences;
}

describe('the diff document', () => {
  const two = route('10.5.2.0/24', '10.5.2.0');
  const ownerFields = { owner: '10.5.2.0-24', reason: 'the kernel rejected it' };

  it('is empty where both are equal', () => {
    assert.deepEqual(differences([two, SETTING], [two, SETTING]), []);
  });

  it('lists missing objects with owner and reason', () => {
    const desired = '10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink';
    assert.deepEqual(differences([two], []), [
      { kind: 'missing', object: 'route 10.5.2.0/24', desired, ...ownerFields },
    ]);
  });

  it('lists different objects attribute by attribute', () => {
    const [found] = differences([two], [route('10.5.2.0/24', '10.5.9.0')]);
    assert.deepEqual([found?.kind, found?.what], ['different', 'gateway 10.5.9.0 instead of 10.5.2.0']);
  });

  it('lists objects that are not desired, but no settings, which have no absence', () => {
    const [extra, ...rest] = differences([], [two, SETTING]);
    assert.deepEqual([extra?.kind, extra?.object, rest], ['extra', 'route 10.5.2.0/24', []]);
  });
});

import assert from 'node:assert/strict';
import type { KernelObject, ObjectKey } from '../../../backends/kernel-state.ts';
import { objectKey } from '../../../backends/kernel-state.ts';
import type { Step } from '../../kernel/kernel.ts';
import { PlannedSteps } from './planned-steps.ts';

const DEV = 'flannel.1';

/** `fdb A`: the entry of peer A. */
function step(text: string, action: Step['action'] = 'set'): Step {
  const [kind, name] = text.split(' ');
  const object = {
    fdb: { kind: 'fdb', dev: DEV, mac: name, destination: name },
    neighbour: { kind: 'neighbour', dev: DEV, address: name, mac: name },
    route: { kind: 'route', destination: name, gateway: name, dev: DEV, isOnLink: true },
    sysctl: { kind: 'sysctl', path: name, value: '1' },
  }[kind!] as KernelObject;
  return { action, object };
}

const steps = (...texts: readonly string[]): readonly Step[] => texts.map((text) => step(text));
const ownerOf = (key: ObjectKey): string => /[A-Z]$/.exec(key)?.[0] ?? 'host';
const names = (taken: readonly Step[]): string[] =>
  taken.map(
    ({ action, object }) => `${action === 'set' ? '' : '-'}${object.kind} ${ownerOf(objectKey(object))}`,
  );

function batchesOf(planned: PlannedSteps): readonly (readonly string[])[] {
  const batches: string[][] = [];
  while (!planned.isEmpty) batches.push(names(planned.take(() => false)));
  return batches;
}
const batches = (all: readonly Step[], size = 3) => batchesOf(new PlannedSteps(all, size, ownerOf));

describe('planned steps', () => {
  it('are one batch as they are if they fit it', () => {
    assert.deepEqual(batches(steps('fdb A', 'fdb B', 'route A', 'route B'), 4), [
      ['fdb A', 'fdb B', 'route A', 'route B'],
    ]);
  });

  it('set entries peer by peer, each peer in the order of the plan', () => {
    const all = ['fdb A', 'fdb B', 'neighbour A', 'neighbour B', 'route A', 'route B'];
    assert.deepEqual(batches(steps(...all)), [
      ['fdb A', 'neighbour A', 'route A'],
      ['fdb B', 'neighbour B', 'route B'],
    ]);
  });

  it('take what is appended before what is removed, and in its own order', () => {
    const planned = new PlannedSteps([...steps('fdb A', 'route A'), step('fdb B', 'remove')], 2, ownerOf);
    assert.equal(planned.areRemovals, false);
    planned.append([...steps('sysctl x', 'fdb C'), step('fdb D', 'remove')]);
    planned.append(steps('fdb E'));
    assert.deepEqual(names(planned.take(() => false)), ['fdb A', 'route A']);
    const sets = [planned.take(() => false), planned.take(() => false), planned.take(() => false)];
    assert.deepEqual(sets.map(names), [['sysctl host'], ['fdb C'], ['fdb E']]);
    assert.equal(planned.areRemovals, true);
    assert.deepEqual(batchesOf(planned), [['-fdb B'], ['-fdb D']]);
  });

  it('take what is appended after all others, and of a key that was superseded before that alone', () => {
    const planned = new PlannedSteps(steps('fdb A', 'fdb B', 'route A', 'route B'), 2, ownerOf);
    planned.supersede([objectKey(step('route A').object)]);
    planned.append(steps('fdb C', 'route A', 'route C'));
    assert.deepEqual(batchesOf(planned), [
      ['fdb A', 'fdb B', 'route B'],
      ['route A', 'fdb C', 'route C'],
    ]);
  });

  it('do not mix up peers of which some entries are there', () => {
    assert.deepEqual(batches(steps('fdb A', 'fdb C', 'route A', 'route B', 'route C'), 1), [
      ['fdb A', 'route A'],
      ['route B'],
      ['fdb C', 'route C'],
    ]);
  });

  it('do not wait with all routes for a peer that has nothing else, or something else at the end', () => {
    const directFirst = steps(
      'fdb B',
      'fdb C',
      'neighbour B',
      'neighbour C',
      'route A',
      'route B',
      'route C',
    );
    assert.deepEqual(batches(directFirst), [
      ['route A', 'fdb B', 'neighbour B', 'route B'],
      ['fdb C', 'neighbour C', 'route C'],
    ]);
    assert.deepEqual(batches(steps('fdb B', 'fdb A', 'route A', 'route B'), 2), [
      ['fdb B', 'fdb A', 'route A'],
      ['route B'],
    ]);
  });

  it('keep before entries and after them what is no entry, and removals in their order', () => {
    const all = [
      ...steps('sysctl A', 'fdb A', 'route A', 'route B', 'sysctl B'),
      step('route C', 'remove'),
      step('route D', 'remove'),
      step('fdb C', 'remove'),
    ];
    assert.deepEqual(batches(all, 2), [
      ['sysctl A'],
      ['fdb A', 'route A'],
      ['route B'],
      ['sysctl B'],
      ['-route C', '-route D'],
      ['-fdb C'],
    ]);
  });

  it('say whether the next batch is of entries alone', () => {
    const planned = new PlannedSteps(steps('sysctl A', 'fdb A', 'route A', 'sysctl B'), 2, ownerOf);
    const found: boolean[] = [];
    while (!planned.isEmpty) {
      found.push(planned.areEntries);
      planned.take(() => false);
    }
    assert.deepEqual(found, [false, true, false]);
  });

  it('leave out what changed', () => {
    const planned = new PlannedSteps(steps('fdb A', 'fdb B', 'route A', 'route B'), 2, ownerOf);
    planned.supersede([objectKey(step('route B').object)]);
    const isDirty = (key: ObjectKey): boolean => key === objectKey(step('fdb A').object);
    assert.deepEqual(names(planned.take(isDirty)), ['route A', 'fdb B']);
    assert.equal(planned.isEmpty, true);
  });
});

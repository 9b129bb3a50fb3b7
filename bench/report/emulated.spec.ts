import assert from 'node:assert/strict';
import { formatMachine, type Machine } from '../machine.ts';
import { requireUnmixed } from './emulated.ts';

const REAL: Machine = {
  cpu: 'Fast',
  cores: 2,
  memoryGiB: 4,
  kernel: '6.18.0',
  node: 'v20',
  virtualisation: 'none',
  load: 1,
};
const EMULATED: Machine = { ...REAL, cpu: 'QEMU TCG CPU version 2.5+', kernel: '6.1.0' };

describe('figures of an emulated processor', () => {
  it('are marked wherever the machine is shown', () => {
    assert.match(formatMachine(EMULATED), /EMULATED: only ratios within one run/);
    assert.doesNotMatch(formatMachine(REAL), /EMULATED/);
  });

  it('are neither mixed with others nor put into pages', () => {
    const [real, emulated] = [{ machine: REAL }, { machine: EMULATED }];
    requireUnmixed([real, real], ['README.md']);
    requireUnmixed([emulated], []);
    assert.throws(() => requireUnmixed([real, emulated], []), /1 of 2 records are of an emulated processor/);
    assert.throws(() => requireUnmixed([emulated], ['README.md']), /do not belong into README\.md/);
  });
});

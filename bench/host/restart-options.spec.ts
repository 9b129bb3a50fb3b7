import assert from 'node:assert/strict';
import { FAULTS, parseRestartOptions } from './restart-options.ts';
import { SCENARIOS } from './restart-scenarios.ts';

describe('options of the restart benchmark', () => {
  it('select all scenarios and faults by default', () => {
    assert.deepEqual(parseRestartOptions([]), { scenarios: SCENARIOS, faults: FAULTS });
  });

  it('select by name, in the given order', () => {
    const { scenarios, faults } = parseRestartOptions([
      '--scenarios',
      'udp, fd store;vxlan',
      '--faults',
      'crash',
    ]);
    assert.deepEqual(
      scenarios.map(({ name }) => name),
      ['udp, fd store', 'vxlan'],
    );
    assert.deepEqual(faults, ['crash']);
  });

  it('reject an unknown name and list the valid ones', () => {
    assert.throws(() => parseRestartOptions(['--faults', 'reboot']), /--faults has 'reboot': .*'crash'/);
  });
});

import assert from 'node:assert/strict';
import { FAULTS, parseRestartOptions } from './restart-options.ts';
import { WAYS } from './restart-scenarios.ts';

describe('options of the benchmark on restarts', () => {
  it('mean all ways and faults if there are none', () => {
    assert.deepEqual(parseRestartOptions([]), { ways: WAYS, faults: FAULTS });
  });

  it('choose by name, in the order given', () => {
    const { ways, faults } = parseRestartOptions(['--ways', 'udp, fd store;vxlan', '--faults', 'crash']);
    assert.deepEqual(
      ways.map(({ name }) => name),
      ['udp, fd store', 'vxlan'],
    );
    assert.deepEqual(faults, ['crash']);
  });

  it('that name nothing are told what there is', () => {
    assert.throws(() => parseRestartOptions(['--faults', 'reboot']), /--faults has 'reboot': .*'crash'/);
  });
});

import assert from 'node:assert/strict';
import type { BackendConfig } from '../../allocator/config/config.ts';
import { UDP, VXLAN, host, network } from '../../backends/fixture.ts';
import { chooseDatapath, overrideUserspace, withDatapath, type DatapathMode } from './datapath-mode.ts';

type Userspace = boolean | 'auto';

describe('the datapath mode', () => {
  const cases: readonly [BackendConfig, Userspace | undefined, boolean, DatapathMode][] = [
    [{ type: 'host-gw' }, true, false, 'kernel'],
    [{ type: 'alloc' }, 'auto', true, 'kernel'],
    [UDP, undefined, false, 'userspace'],
    [UDP, false, false, 'userspace'],
    [VXLAN, undefined, false, 'kernel-first'],
    // An earlier process had to: its devices are not given up for another try.
    [VXLAN, undefined, true, 'userspace'],
    [VXLAN, true, false, 'userspace'],
    [VXLAN, false, true, 'kernel'],
    [{ ...VXLAN, userspace: true }, undefined, false, 'userspace'],
    [{ ...VXLAN, userspace: true }, false, true, 'kernel'],
    [{ ...VXLAN, userspace: true }, 'auto', false, 'kernel-first'],
    [{ ...VXLAN, userspace: false }, undefined, true, 'kernel'],
    [{ ...VXLAN, userspace: false }, true, false, 'userspace'],
  ];
  for (const [backend, flag, isInherited, expected] of cases)
    it(`is ${expected} with ${JSON.stringify(backend)}, --userspace=${String(flag)}${isInherited ? ', inherited' : ''}`, () => {
      const config = overrideUserspace(network('4', backend), flag);
      assert.equal(chooseDatapath(config.backend, isInherited), expected);
    });

  it('becomes a host fact for backends', () => {
    assert.equal(withDatapath(host(), 'userspace').isVxlanInUserspace, true);
    assert.equal(withDatapath(host(), 'kernel-first').isVxlanInUserspace, false);
  });
});

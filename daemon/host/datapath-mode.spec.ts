import assert from 'node:assert/strict';
import type { BackendConfig } from '../../allocator/config/config.ts';
import { UDP, VXLAN, host, network } from '../../backends/fixture.ts';
import {
  chooseDatapath,
  overrideUserspace,
  INITIAL_DATAPATHS,
  withDatapaths,
  withMode,
  type DatapathMode,
} from './datapath-mode.ts';

type Userspace = boolean | 'auto';

const CHECKED = { isSourceChecked: true };

describe('the datapath mode', () => {
  const cases: readonly [BackendConfig, Userspace | undefined, boolean, DatapathMode][] = [
    [{ type: 'host-gw' }, true, false, 'kernel'],
    [{ type: 'alloc' }, 'auto', true, 'kernel'],
    [UDP, undefined, false, 'userspace'],
    [UDP, true, false, 'userspace'],
    [UDP, false, false, 'kernel'],
    [{ ...UDP, userspace: false }, undefined, true, 'kernel'],
    [{ ...UDP, userspace: false }, true, false, 'userspace'],
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
      const config = overrideUserspace(network('4', backend), { userspace: flag, tuning: CHECKED });
      assert.equal(chooseDatapath(config.backend, isInherited), expected);
    });

  it('becomes a host fact for backends', () => {
    const factsWith = (type: 'vxlan' | 'udp', mode: DatapathMode) =>
      withDatapaths(host(), withMode(INITIAL_DATAPATHS, type, mode));
    assert.equal(factsWith('vxlan', 'userspace').isVxlanInUserspace, true);
    assert.equal(factsWith('vxlan', 'kernel-first').isVxlanInUserspace, false);
    assert.equal(factsWith('vxlan', 'userspace').isUdpInKernel, false);
    assert.equal(factsWith('udp', 'kernel').isUdpInKernel, true);
    assert.equal(factsWith('udp', 'kernel').isVxlanInUserspace, false);
  });

  it('is kernel-first for udp where sources need no check, unless devices were handed over', () => {
    const { backend } = overrideUserspace(network('4', UDP), { tuning: { isSourceChecked: false } });
    assert.equal(chooseDatapath(backend, false), 'kernel-first');
    assert.equal(chooseDatapath(backend, true), 'userspace');
  });
});

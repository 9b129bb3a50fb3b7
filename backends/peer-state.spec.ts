import assert from 'node:assert/strict';
import type { Lease } from '../allocator/lease.ts';
import { VXLAN, context, ip4, lease, network } from './fixture.ts';
import { backendFor } from './index.ts';

describe('a subnet that is reserved for a host which never was there', () => {
  const backend = backendFor('vxlan');
  const bare = lease('10.5.9.0/24', { publicIp: ip4('10.9.0.9'), backendType: '' });
  const here = context(backend, network('4', VXLAN));
  const modeOf = (peer: Lease): string => backend.derivePeer(here, peer).mode;

  it('has nothing in the kernel, and that is no error', () => {
    assert.deepEqual(backend.derivePeer(here, { ...bare, isReservation: true }), {
      mode: 'none',
      objects: [],
    });
  });

  it('is an error if a host leased it, of another backend', () => {
    assert.equal(modeOf(bare), 'error');
  });

  it('is an error if its host publishes what this one cannot use', () => {
    const other = lease('10.5.9.0/24', { publicIp: ip4('10.9.0.9'), backendType: 'host-gw' });
    assert.equal(modeOf({ ...other, isReservation: true }), 'error');
  });
});

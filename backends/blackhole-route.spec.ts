import assert from 'node:assert/strict';
import type { BackendConfig } from '../allocator/config/config.ts';
import { UDP, VXLAN, host, network, subnets, type Families } from './fixture.ts';
import { backendFor } from './index.ts';
import { deriveBlackholes } from './blackhole-route.ts';
import { renderObjects } from './render.ts';

const SUBNETS = { 4: '10.5.9.0/24', 6: 'fd00:0:0:9::/64' } as const;
const ROUTES = {
  4: 'blackhole 10.5.9.0/24 metric 1000000',
  6: 'blackhole fd00:0:0:9::/64 metric 1000000',
} as const;

describe('the blackhole of the own subnet', () => {
  const backends: readonly BackendConfig[] = [VXLAN, UDP, { type: 'host-gw' }, { type: 'alloc' }];
  for (const backend of backends)
    for (const families of ['4', '6', '46'] satisfies Families[]) {
      if (backend.type === 'udp' && families !== '4') continue;
      const has = backend.type !== 'alloc';
      it(`${has ? 'is a route of each family' : 'is not made'} with backend ${backend.type} and IPv${families}`, () => {
        const chosen = ([4, 6] as const).filter((family) => families.includes(String(family)));
        const ownership = backendFor(backend.type).ownership(network(families, backend), host());
        const objects = deriveBlackholes(
          subnets(chosen.map((family) => SUBNETS[family]).join(' ')),
          ownership,
        );
        assert.deepEqual(renderObjects(objects), has ? chosen.map((family) => ROUTES[family]) : []);
      });
    }
});

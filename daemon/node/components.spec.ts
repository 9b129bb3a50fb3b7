import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Components, type InitialComponents } from './components.ts';
import type { OverlayNode } from './overlay-node.ts';

describe('Components', () => {
  it('have no conflict about a public IP that this host no longer has', () => {
    const components = new Components({} as InitialComponents);
    const at = (nodeId: string): void =>
      void (components.node = { leaseManager: { nodeId } } as unknown as OverlayNode);
    at('198.18.1.1');
    assert.equal(components.readiness.hasPublicIpConflict, false);
    components.contestedPublicIp = '198.18.1.1';
    assert.equal(components.readiness.hasPublicIpConflict, true);
    at('198.18.1.2');
    assert.equal(components.readiness.hasPublicIpConflict, false);
  });
});

// Checks whether a firewall of this host drops packets of the tunnel or forwarded packets.
import type { Check } from './check.ts';
import { findForwardDrops, findPortDrops, listUnreadRules } from './path/firewall-checks.ts';
import { proxyMode } from './firewall/proxy-mode.ts';

const forwardDrop: Check = {
  id: 'forward-drop',
  about: 'whether a firewall drops forwarded packets of containers',
  run: findForwardDrops,
  notTested: listUnreadRules,
};

const portDropped: Check = {
  id: 'port-dropped',
  about: 'whether a firewall of this host drops the packets of the tunnel',
  run: findPortDrops,
};

export const FIREWALL_CHECKS: readonly Check[] = [forwardDrop, portDropped, proxyMode];

// Public interface of this folder: maps a backend type to its backend.
import type { BackendType } from '../allocator/config/config.ts';
import { allocBackend } from './alloc.ts';
import type { Backend } from './backend.ts';
import { extensionBackend } from './extension.ts';
import { hostGwBackend } from './host-gw.ts';
import { ipipBackend } from './ipip.ts';
import { ipsecBackend } from './ipsec.ts';
import { tencentVpcBackend } from './tencent-vpc.ts';
import { udpBackend } from './udp.ts';
import { vxlanBackend } from './vxlan.ts';
import { wireguardBackend } from './wireguard/wireguard.ts';

const BACKENDS: Readonly<Record<BackendType, Backend>> = {
  vxlan: vxlanBackend,
  'host-gw': hostGwBackend,
  udp: udpBackend,
  wireguard: wireguardBackend,
  alloc: allocBackend,
  extension: extensionBackend,
  ipip: ipipBackend,
  ipsec: ipsecBackend,
  'tencent-vpc': tencentVpcBackend,
};

/** The backend of a given type. */
export function backendFor(type: BackendType): Backend {
  return BACKENDS[type];
}

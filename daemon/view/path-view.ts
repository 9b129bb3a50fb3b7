// Devices of the userspace packet path, and which part of their packets the kernel moved.
import type { PacketPathV1 } from '../../api/index.ts';
import type { NodeView } from './node-view.ts';

export function pathsOf({ packetPath }: NodeView): readonly PacketPathV1[] {
  return (packetPath?.devices() ?? []).map(({ name }) => {
    const { bpfDisabledReason, decapDevice, joinDevice, counters } = packetPath!.status(name);
    const count = (counter: string): number => Number(counters[counter] ?? 0n);
    return {
      device: name,
      ...(bpfDisabledReason !== undefined && { bpfDisabledReason }),
      ...(decapDevice !== undefined && { decapDevice }),
      ...(joinDevice !== undefined && { joinDevice }),
      rxPackets: count('rxPackets'),
      kernelRxPackets: count('kernelRxPackets'),
      kernelDecapPackets: count('kernelDecapPackets'),
      txPackets: count('txPackets'),
      kernelTxPackets: count('kernelTxPackets'),
    };
  });
}

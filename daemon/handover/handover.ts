// Hand-over from an earlier process: resumes its TUN devices from their checkpoints before etcd is
// read, so that packets in their queues wait no longer than the start of this process. The
// reconciler then corrects them like drift.
import type { Native } from '../../native/index.ts';
import { openPacketPath, type PacketPath, type PathTuning } from '../../native/packet-path.ts';
import type { Logger } from '../log/log.ts';
import { SystemdDescriptorStore } from './descriptor-store.ts';
import { decodeCheckpoint, type DeviceCheckpoint } from '../kernel/device-checkpoint.ts';

export interface HandoverOptions {
  /** Weft's addon; without it there is no packet path, and nothing is handed over. */
  readonly native: Native | undefined;
  readonly tuning: PathTuning;
  readonly log: Logger;
}

export interface Handover {
  /** Unset without the addon. */
  readonly packetPath: PacketPath | undefined;
  readonly descriptors: SystemdDescriptorStore;
}

/** Takes the descriptors of this process and resumes their devices. Once per process. */
export function adoptDevices({ native, tuning, log }: HandoverOptions): Handover {
  const packetPath = native && openPacketPath(native, tuning);
  const descriptors = new SystemdDescriptorStore({
    log,
    sendDatagram: native?.sendDatagram.bind(native),
    openMemoryFile: native?.openMemoryFile.bind(native),
  });
  if (packetPath) resumeDevices(packetPath, descriptors, log);
  return { packetPath, descriptors };
}

/**
 * Resumes every device in `store` that has a valid checkpoint; a device that cannot be resumed is
 * dropped.
 */
export function resumeDevices(path: PacketPath, store: SystemdDescriptorStore, log: Logger): void {
  for (const name of store.unclaimed) {
    const checkpoint = decodeCheckpoint(store.checkpointOf(name));
    if (checkpoint?.device.name !== name || !store.has(name)) continue;
    try {
      resume(path, store, checkpoint);
      log.info('Resumed a device of the earlier process', { device: name, routes: checkpoint.routes.length });
    } catch (error) {
      path.close(name);
      store.take(name);
      store.remove(name);
      log.warn('Cannot resume a device of the earlier process: re-creating it', { device: name, error });
    }
  }
}

function resume(path: PacketPath, store: SystemdDescriptorStore, checkpoint: DeviceCheckpoint): void {
  const { device, settings, routes } = checkpoint;
  path.open(device, store.peek(device.name));
  path.configure(device.name, settings);
  for (const route of routes) path.setRoute(device.name, route);
  path.start(device.name);
  store.store(device.name, path.descriptors(device.name));
}

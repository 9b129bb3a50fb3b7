// Devices that an earlier process left move packets again at once, by what that one knew last: before etcd is asked, so that
// what waits in their queues waits no longer than it takes to start. The reconciler then corrects them as it would drift.
import { loadNative } from '../../native/index.ts';
import { openPacketPath, type PacketPath } from '../../native/packet-path.ts';
import { SystemdDescriptorStore } from './descriptor-store.ts';
import type { Logger } from '../log/log.ts';
import type { DaemonOptions } from '../options/options.ts';
import { decodeCheckpoint, type DeviceCheckpoint } from './device-checkpoint.ts';

export interface Handover {
  /** Unset without the addon. */
  readonly packetPath: PacketPath | undefined;
  readonly descriptors: SystemdDescriptorStore;
}

/** To be called once: the descriptors of this process are handed over. */
export function adoptDevices({ tuning }: DaemonOptions, log: Logger): Handover {
  const { native } = loadNative();
  const packetPath = native && openPacketPath(native, tuning);
  const descriptors = new SystemdDescriptorStore({
    log,
    sendDatagram: native?.sendDatagram.bind(native),
    openMemoryFile: native?.openMemoryFile.bind(native),
  });
  if (packetPath) resumePaths(packetPath, descriptors, log);
  return { packetPath, descriptors };
}

export function resumePaths(path: PacketPath, store: SystemdDescriptorStore, log: Logger): void {
  for (const name of store.unclaimed) {
    const record = decodeCheckpoint(store.checkpointOf(name));
    if (record?.device.name !== name || !store.has(name)) continue;
    try {
      resume(path, store, record);
      log.info('Took a device of the process before over', { device: name, routes: record.routes.length });
    } catch (error) {
      path.close(name);
      store.take(name);
      store.remove(name);
      log.warn('Cannot go on with a device of the process before: it is made anew', { device: name, error });
    }
  }
}

function resume(path: PacketPath, store: SystemdDescriptorStore, record: DeviceCheckpoint): void {
  const { device, settings, routes } = record;
  path.open(device, store.peek(device.name));
  path.configure(device.name, settings);
  for (const route of routes) path.setRoute(device.name, route);
  path.start(device.name);
  store.store(device.name, path.descriptors(device.name));
}

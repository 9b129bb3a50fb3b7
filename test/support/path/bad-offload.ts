// A host of a lab whose network card corrupts checksums inside of tunnels: a program replaces its cable.
import type { Lab } from '../../../lab/lab.ts';
import { toolFile } from '../../../lab/tools.ts';

const PID = '/run/bad-offload.pid';

/** Puts it between host `name` and the switch. */
export async function breakOffload(lab: Lab, name: string): Promise<void> {
  const { bridge } = lab.topology.hosts.find((host) => host.name === name)!;
  const noSuperPackets = 'tso off gso off tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off';
  await lab.check(name, ['sh', '-c', `ethtool -K eth0 ${noSuperPackets}`]);
  const script = `ip link add bad0 type veth peer name bad1
    ethtool -K bad1 ${noSuperPackets}
    ip link set ${name} nomaster
    ip link set bad0 up
    ip link set bad1 master ${bridge} up
    (${toolFile('bad-offload')} ${name} bad0 >/run/bad-offload.log 2>&1 </dev/null & echo $! >${PID})
    until grep -q ready /run/bad-offload.log; do sleep 0.02; done`;
  await lab.check('sw', ['sh', '-ec', script]);
}

/** Gives the host its cable back. */
export async function repairOffload(lab: Lab, name: string): Promise<void> {
  const { bridge } = lab.topology.hosts.find((host) => host.name === name)!;
  const script = `kill -KILL $(cat ${PID}); ip link del bad0; ip link set ${name} master ${bridge}`;
  await lab.check('sw', ['sh', '-ec', script]);
  const offloads = 'tso on gso on tx-udp_tnl-segmentation on tx-udp_tnl-csum-segmentation on';
  await lab.check(name, ['sh', '-c', `ethtool -K eth0 ${offloads}`]);
}

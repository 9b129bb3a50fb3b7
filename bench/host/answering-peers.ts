// Hosts that exist only as leases, and answer: h2 of a lab has all their addresses. A host with N peers thus sends and receives
// what it would among N hosts. Packets cross to another processor there and back (RPS), as between machines: the work of the
// peers would else be done by the call that sends, and count as the sender's.
import { cpus } from 'node:os';
import type { Lab } from '../../lab/lab.ts';

/** What `bench/cluster/seed.ts` gives to peers: public IPs and subnets. */
const PUBLIC_IPS = '100.64.0.0/10';
const SUBNETS = '10.128.0.0/9';
/** Where real hosts have their subnets. */
const OWN_SUBNETS = '10.0.0.0/9';
const DEVICE = 'answers';
/** Packets are for the MAC address of each peer; the device accepts all. */
const ACCEPT_ALL = [
  'add table netdev answers',
  `add chain netdev answers all-peers { type filter hook ingress device ${DEVICE} priority 0; }`,
  'add rule netdev answers all-peers meta pkttype set host',
].join('; ');

/** Makes h2 answer for all simulated peers of h1, whose daemon runs with the backend vxlan. */
export async function answerForPeers(lab: Lab): Promise<void> {
  const [h1, h2] = [lab.host('h1'), lab.host('h2')];
  const subnet = /^FLANNEL_SUBNET=([\d.]+)\.\d+\//m.exec(await lab.readSubnetEnv('h1'))![1]!;
  const overlay = `${subnet}.0`;
  const links = JSON.parse(await lab.check('h1', ['ip', '-j', 'link', 'show', 'flannel.1'])) as [
    { address: string },
  ];
  const mac = links[0].address;
  await lab.check('h1', ['ip', 'route', 'replace', PUBLIC_IPS, 'via', h2.publicIp]);
  const script = `
    ip link add ${DEVICE} type vxlan id 1 dstport 8472 nolearning
    ip link set ${DEVICE} up
    nft '${ACCEPT_ALL}'
    ip route add local ${PUBLIC_IPS} dev lo
    ip route add local ${SUBNETS} dev lo
    ip route add ${OWN_SUBNETS} dev ${DEVICE}
    ip neigh replace ${overlay} lladdr ${mac} dev ${DEVICE}
    bridge fdb replace ${mac} dev ${DEVICE} dst ${h1.publicIp}`;
  await lab.check('h2', ['sh', '-ec', script]);
}

/** Leaves the first processor to the daemon of h1, and what both hosts receive to the last one. */
export async function receiveElsewhere(lab: Lab, pid: number): Promise<void> {
  const last = cpus().length - 1;
  if (last === 0) throw new Error('Peers that answer need a second processor: use a machine that has one');
  await lab.check('h1', ['taskset', '--all-tasks', '--cpu-list', '--pid', '0', String(pid)]);
  const mask = (1n << BigInt(last)).toString(16).replace(/(?<=\w)(?=(\w{8})+$)/g, ',');
  const script = `echo ${mask} >/sys/class/net/eth0/queues/rx-0/rps_cpus`;
  for (const host of ['h1', 'h2']) await lab.check(host, ['sh', '-c', script]);
}

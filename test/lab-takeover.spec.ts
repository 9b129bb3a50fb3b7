// A host that ran flannel, with everything that flannel leaves behind, gets weft in its place: same subnet, same MAC, not
// one packet lost, and nothing of flannel's that no lease stands for stays.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Lab } from '../lab/lab.ts';
import { subnetOf } from '../lab/run.ts';
import { waitFor } from '../lab/wait.ts';
import { shellTest, programmedPeers, useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';
import { askReadyz, leaseKeys, routesOf } from './support/daemon-view.ts';
import { startPings } from '../lab/traffic.ts';

const OWN = '10.5.77.0/24';
const KEY = '/coreos.com/network/subnets/10.5.77.0-24';
/** Random, as flannel makes them: not what weft would derive from the public address. */
const MAC = '4e:17:c0:ff:ee:01';
const DEAD = { subnet: '10.5.99.0/24', address: '10.5.99.0', mac: '4e:17:c0:ff:ee:99' };
/** Foreign routes: outside of the network, and inside but not of the kind that flannel makes. */
const FOREIGN = ['172.30.0.0/16', '10.5.98.7'];
const FOLLOW_MS = 60_000;

/** Leases the subnet as flannel does. Resolves with the etcd lease. */
async function lease(lab: Lab, backend: object): Promise<string> {
  const id = /lease ([0-9a-f]+) granted/.exec(await lab.etcdctl(['lease', 'grant', '86400']))![1]!;
  const value = { PublicIP: lab.host('h1').publicIp, PublicIPv6: null, ...backend };
  await lab.etcdctl(['put', `--lease=${id}`, KEY, JSON.stringify(value)]);
  return id;
}

async function writeSubnetEnv(lab: Lab, mtu: number): Promise<void> {
  const lines = [
    'FLANNEL_NETWORK=10.5.0.0/16',
    'FLANNEL_SUBNET=10.5.77.1/24',
    `FLANNEL_MTU=${mtu}`,
    'FLANNEL_IPMASQ=true',
  ];
  const path = `/proc/${lab.sandbox.pid}/root${lab.subnetFile('h1')}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, lines.map((line) => `${line}\n`).join(''));
}

async function ipBatch(lab: Lab, lines: readonly string[]): Promise<void> {
  await lab.check('h1', ['ip', '-batch', '-'], { input: lines.map((line) => `${line}\n`).join('') });
}

const foreignRoutes = FOREIGN.map((destination) => `route add ${destination} via 198.18.0.1 dev eth0`);

/** Starts weft under pings in both directions and asserts that none is lost. */
async function takeOver(lab: Lab): Promise<void> {
  const pings = [
    await startPings(lab, 'c1', await lab.containerAddress('h2'), 500),
    await startPings(lab, 'c2', await lab.containerAddress('h1'), 500),
  ];
  await lab.startDaemon('h1');
  await waitUntilReady(lab, 'h1');
  for (const ping of pings) {
    const { lost, sent } = await ping.stop();
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
  }
}

async function assertLease(lab: Lab, id: string, value: object): Promise<void> {
  const keys = ['10.5.77.0-24', (await subnetOf(lab, 'h2')).replace('/', '-')];
  assert.deepEqual((await leaseKeys(lab)).toSorted(), keys.toSorted());
  const answer = JSON.parse(await lab.etcdctl(['get', '-w', 'json', KEY])) as {
    kvs: { value: string; lease: number }[];
  };
  assert.deepEqual(JSON.parse(Buffer.from(answer.kvs[0]!.value, 'base64').toString()), value);
  const attached = await lab.etcdctl(['lease', 'timetolive', '--keys', id]);
  assert.match(attached, /10\.5\.77\.0-24/, 'the key still hangs on the etcd lease that flannel made');
}

async function assertForeignRoutesStay(lab: Lab): Promise<void> {
  const routes = await routesOf(lab, 'h1');
  for (const dst of FOREIGN)
    assert.deepEqual(
      routes.filter((route) => route.dst === dst),
      [{ dst, gateway: '198.18.0.1', dev: 'eth0', protocol: 'boot', flags: [] }],
    );
  assert.deepEqual(
    routes.filter((route) => route.dst === DEAD.subnet),
    [],
  );
}

describe('taking over from flannel with vxlan', () => {
  const lab = useLab({ hosts: 2, bare: ['h1'] });
  let id = '';
  let peer = { subnet: '', mac: '', publicIp: '' };

  before(async () => {
    await waitUntilReady(lab(), 'h2');
    peer = await viewOf(lab(), 'h2');
    id = await lease(lab(), { BackendType: 'vxlan', BackendData: { VNI: 1, VtepMAC: MAC } });
    await ipBatch(lab(), [
      `link add flannel.1 address ${MAC} txqueuelen 0 mtu 1450 type vxlan id 1 local 198.18.1.1 dev eth0 dstport 8472 nolearning`,
      'addr add 10.5.77.0/32 dev flannel.1',
      'link set flannel.1 up',
      ...peerLines(peer.subnet, peer.mac),
      ...peerLines(DEAD.subnet, DEAD.mac),
      ...foreignRoutes,
    ]);
    for (const [mac, address] of [
      [peer.mac, peer.publicIp],
      [DEAD.mac, '198.18.9.9'],
    ])
      await lab().check('h1', [
        'sh',
        '-c',
        `bridge fdb add ${mac} dev flannel.1 dst ${address} self permanent`,
      ]);
    await writeSubnetEnv(lab(), 1450);
    await lab().attachContainer('h1');
    const isKnown = async () => (await programmedPeers(lab(), 'h2')).includes(OWN);
    await waitFor('h2 to know the flannel host', isKnown, FOLLOW_MS);
  });

  const peerLines = (subnet: string, mac: string) => {
    const address = subnet.split('/')[0]!;
    return [
      `neigh add ${address} lladdr ${mac} dev flannel.1 nud permanent`,
      `route add ${subnet} via ${address} dev flannel.1 onlink`,
    ];
  };

  it('loses no packet', async () => {
    const index = () => lab().check('h1', ['cat', '/sys/class/net/flannel.1/ifindex']);
    const before = await index();
    await takeOver(lab());
    assert.equal(await index(), before, 'the device is the one that flannel made');
  });

  it('keeps subnet, MAC and etcd lease', async () => {
    assert.deepEqual(await viewOf(lab(), 'h1'), { subnet: OWN, mac: MAC, publicIp: '198.18.1.1' });
    await assertLease(lab(), id, {
      PublicIP: '198.18.1.1',
      PublicIPv6: null,
      BackendType: 'vxlan',
      BackendData: { VNI: 1, VtepMAC: MAC },
    });
  });

  it('makes the routes its own and sweeps those of hosts that are gone', async () => {
    const [gateway] = peer.subnet.split('/');
    const expected = {
      dst: peer.subnet,
      gateway,
      dev: 'flannel.1',
      protocol: '87',
      flags: ['onlink'],
    };
    assert.deepEqual(await routesOf(lab(), 'h1', peer.subnet), [expected]);
    assert.deepEqual(await programmedPeers(lab(), 'h1'), [peer.subnet]);
    const gone = `! ip neigh | grep -q '${DEAD.address} ' && ! bridge fdb | grep -q ${DEAD.mac}`;
    assert.ok(await shellTest(lab(), 'h1', gone));
  });

  it('leaves foreign routes alone, also inside the network', () => assertForeignRoutesStay(lab()));
});

describe('taking over from flannel with host-gw', () => {
  const config = '{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}';
  const lab = useLab({ hosts: 2, bare: ['h1'], config });
  let id = '';

  before(async () => {
    await waitUntilReady(lab(), 'h2');
    id = await lease(lab(), { BackendType: 'host-gw' });
    const peer = await subnetOf(lab(), 'h2');
    await ipBatch(lab(), [
      `route add ${peer} via 198.18.1.2 dev eth0`,
      `route add ${DEAD.subnet} via 198.18.9.9 dev eth0`,
      ...foreignRoutes,
    ]);
    await writeSubnetEnv(lab(), 1500);
    await lab().attachContainer('h1');
    const isKnown = async () => (await routesOf(lab(), 'h2', OWN)).length === 1;
    await waitFor('h2 to know the flannel host', isKnown, FOLLOW_MS);
  });

  it('loses no packet', () => takeOver(lab()));

  it('keeps subnet and etcd lease', async () => {
    assert.equal(await subnetOf(lab(), 'h1'), OWN);
    await assertLease(lab(), id, { PublicIP: '198.18.1.1', PublicIPv6: null, BackendType: 'host-gw' });
    assert.equal((await askReadyz(lab(), 'h1')).status, 200);
  });

  it('makes the routes its own, sweeps those of hosts that are gone and no others', async () => {
    const peer = await subnetOf(lab(), 'h2');
    const expected = { dst: peer, gateway: '198.18.1.2', dev: 'eth0', protocol: '87', flags: [] };
    assert.deepEqual(await routesOf(lab(), 'h1', peer), [expected]);
    await assertForeignRoutesStay(lab());
  });
});

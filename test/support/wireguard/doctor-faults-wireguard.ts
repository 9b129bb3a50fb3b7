// Faults of the backend wireguard for `weft doctor` to find, on a lab of two daemons and the bare host h3.
import type { Lab } from '../../../lab/lab.ts';
import { subnetOf } from '../../../lab/run.ts';
import { putLease } from '../daemon-view.ts';
import type { Fault } from '../doctor/fault.ts';
import { CLUSTER_FAULTS } from '../doctor/cluster-faults.ts';
import { FlannelHost, wg, wgPeers } from './wireguard-lab.ts';

export const PSK = Buffer.alloc(32, 0x5c).toString('base64');
const ALIEN = Buffer.alloc(32, 7).toString('base64');
const KEY_FILE = '/run/weft-lab/h2/wgkey';
const FLANNEL_SUBNET = '10.5.240.0/24';
const SUBNETS = '/coreos.com/network/subnets';

const leaseKeyOf = async (lab: Lab, name: string): Promise<string> =>
  (await subnetOf(lab, name)).replace('/', '-');
const remove = (lab: Lab, key: string): Promise<unknown> => lab.etcdctl(['del', `${SUBNETS}/${key}`]);
const publicKeyOf = async (lab: Lab, name: string): Promise<string> =>
  (await wg(lab, name, ['show', 'flannel-wg', 'public-key'])).trim();

const publishFlannel = (lab: Lab, publicKey: string): Promise<void> =>
  putLease(lab, FLANNEL_SUBNET.replace('/', '-'), {
    PublicIP: lab.host('h3').publicIp,
    PublicIPv6: null,
    BackendType: 'wireguard',
    BackendData: { PublicKey: publicKey, Port: 51820 },
  });

const dropOnPath = (rule: string): string =>
  `nft 'table netdev t { chain i { type filter hook ingress device eth0 priority 0; ${rule} drop; }; }'`;

/** Another program that keeps writing another key into the lease of h1. */
async function keepPublishing(lab: Lab): Promise<void> {
  const script = `value=$(etcdctl get --print-value-only "$0" | sed 's/"PublicKey":"[^"]*"/"PublicKey":"${ALIEN}"/')
    (while :; do etcdctl put "$0" "$value"; sleep 0.3; done >/dev/null 2>&1 </dev/null & echo $! >/run/weft-lab/loop.pid)`;
  const key = `${SUBNETS}/${await leaseKeyOf(lab, 'h1')}`;
  await lab.check('h1', [...lab.userEnvironment('h1'), 'sh', '-c', script, key]);
}

/** No module of the kernel is found, nor can wireguard-go or boringtun-cli be started. */
const WITHOUT_WIREGUARD = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  `for folder in /lib/modules /sys/module; do [ ! -d $folder ] || mount -t tmpfs tmpfs $folder; done
    for file in $(command -v wireguard-go boringtun-cli); do mount --bind /dev/null "$file"; done; exec "$@"`,
  'sh',
];

export const MODULE_MISSING: Fault = {
  name: 'kernel without WireGuard, and no program for it',
  finds: ['wireguard-missing'],
  evidence: /modprobe -n wireguard fails/,
  fix: /apt-get install wireguard-go/,
  host: 'h3',
  breaks: 'true',
  fixes: 'true',
  args: ['--etcd-endpoints', 'http://198.18.0.2:2379'],
  under: WITHOUT_WIREGUARD,
};

export const WIREGUARD_FAULTS: readonly Fault[] = [
  {
    name: 'the lease names another key than the device has',
    finds: ['wireguard-key'],
    evidence: new RegExp(`published: ${ALIEN}\\nflannel-wg: \\S{44}`),
    fix: /restart weft; if it comes back, another program writes the lease/,
    breaks: keepPublishing,
    fixes: async (lab) => {
      await lab.check('h1', ['sh', '-c', 'kill -KILL $(cat /run/weft-lab/loop.pid)']);
      await lab.stopDaemon('h1');
      await lab.startDaemon('h1');
    },
  },
  {
    name: 'a firewall on the path drops the port of WireGuard',
    finds: ['tunnel-blocked'],
    evidence: /replies from 198\.18\.1\.2 arrive/,
    fix: /UDP ports of backend wireguard \(51820/,
    host: 'h2',
    runsOn: 'h1',
    breaks: dropOnPath('udp dport 51820'),
    fixes: 'nft delete table netdev t',
  },
  {
    name: 'INPUT drops the port of WireGuard',
    finds: ['port-dropped'],
    evidence: /51820.*DROP/,
    fix: /--dport 51820 -j ACCEPT/,
    breaks: 'iptables -I INPUT -p udp --dport 51820 -j DROP',
    fixes: 'iptables -D INPUT -p udp --dport 51820 -j DROP',
  },
  {
    name: 'the network between hosts carries less than the MTU',
    finds: ['path-mtu'],
    evidence: /largest packet that passes has 13\d\d bytes/,
    fix: /"MTU": 13\d\d in "Backend" \(Backend\.MTU\)/,
    host: 'h2',
    runsOn: 'h1',
    breaks: dropOnPath('ip length gt 1400'),
    fixes: 'nft delete table netdev t',
  },
  {
    name: 'the private key cannot be read',
    finds: ['wireguard-key-file'],
    evidence: /wgkey cannot be read/,
    fix: /makes another key/,
    host: 'h2',
    breaks: `mv ${KEY_FILE} ${KEY_FILE}-kept; mkdir ${KEY_FILE}`,
    fixes: `rmdir ${KEY_FILE}; mv ${KEY_FILE}-kept ${KEY_FILE}`,
  },
  {
    name: 'two hosts have one key',
    finds: ['wireguard-clash'],
    evidence: /: 10\.5\.\d+\.0-24, 10\.5\.\d+\.0-24/,
    fix: /remove the key file/,
    breaks: async (lab) =>
      putLease(lab, '10.5.251.0-24', {
        PublicIP: '198.18.9.9',
        BackendType: 'wireguard',
        BackendData: { PublicKey: await publicKeyOf(lab, 'h2'), Port: 51820 },
      }),
    fixes: (lab) => remove(lab, '10.5.251.0-24'),
  },
  {
    name: 'allowed IPs of two peers overlap',
    finds: ['peer-error'],
    evidence: /10\.5\.\d+\.0-25: .*lies inside/,
    breaks: async (lab) =>
      putLease(lab, (await leaseKeyOf(lab, 'h2')).replace('-24', '-25'), {
        PublicIP: '198.18.9.9',
        BackendType: 'wireguard',
        BackendData: { PublicKey: ALIEN, Port: 51820 },
      }),
    fixes: async (lab) => remove(lab, (await leaseKeyOf(lab, 'h2')).replace('-24', '-25')),
  },
  {
    name: 'a host has another PSK',
    finds: ['wireguard-handshake'],
    evidence: /10\.5\.240\.0-24 at 198\.18\.1\.3:51820: never/,
    fix: /92 bytes from the peer mean another "PSK"/,
    breaks: async (lab) => {
      const flannel = new FlannelHost(lab, 'h3', FLANNEL_SUBNET);
      await flannel.start();
      await flannel.follow(await leaseKeyOf(lab, 'h1'));
    },
    fixes: async (lab) => {
      const [peer] = await wgPeers(lab, 'h3');
      const psk = ['preshared-key', '/dev/stdin'];
      await wg(lab, 'h3', ['set', 'flannel-wg', 'peer', peer!.publicKey, ...psk], PSK);
      await new FlannelHost(lab, 'h3', FLANNEL_SUBNET).waitUntilReachedFrom('c1');
      await remove(lab, FLANNEL_SUBNET.replace('/', '-'));
    },
  },
  {
    name: 'a host publishes a key that is not its own',
    finds: ['wireguard-handshake'],
    evidence: /10\.5\.240\.0-24 at 198\.18\.1\.3:51820: never/,
    fix: /none that it has another key/,
    breaks: (lab) => publishFlannel(lab, ALIEN),
    fixes: async (lab) => {
      await publishFlannel(lab, await publicKeyOf(lab, 'h3'));
      await new FlannelHost(lab, 'h3', FLANNEL_SUBNET).waitUntilReachedFrom('c1');
      await remove(lab, FLANNEL_SUBNET.replace('/', '-'));
    },
  },
  ...CLUSTER_FAULTS.filter(({ finds }) => finds.includes('etcd-clock')),
];

// Thirty-two broken networks, made one after another on a cluster that is whole: `weft doctor` names each cause, and finds nothing
// before and after.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../cli/doctor.ts';
import type { Lab } from '../lab/lab.ts';
import { waitFor } from '../lab/wait.ts';
import { leaseKeys, putLease } from './support/daemon-view.ts';
import { programmedPeers, useLab, viewOf, waitUntilReady, type HostView } from './support/lab-suite.ts';

const PATIENCE_MS = 60_000;
const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
const FOLDER = '/coreos.com/network';

interface Fault {
  readonly name: string;
  /** Ids that must be among the findings. */
  readonly finds: readonly string[];
  /** What the evidence of the first one has in it. */
  readonly evidence: RegExp;
  /** Where; default h1. */
  readonly host?: string;
  /** Host that is examined; default `host`, or h1 where that is none. */
  readonly asks?: string;
  /** Shell commands there, or something else. */
  readonly breaks: string | ((lab: Lab) => Promise<unknown>);
  readonly mends: string | ((lab: Lab) => Promise<unknown>);
  /** Further words of the command, and only then. */
  readonly words?: readonly string[];
}

const etcdctl =
  (...words: string[]) =>
  (lab: Lab) =>
    lab.etcdctl(words);
const lease = (publicIp: string, vni = 1) => ({
  PublicIP: publicIp,
  PublicIPv6: null,
  BackendType: 'vxlan',
  BackendData: { VNI: vni, VtepMAC: '02:00:00:00:00:77' },
});

let two: HostView;
/** The first half of h2's subnet. */
const halfOfTwo = () => two.subnet.replace('/24', '/25');

const FAULTS: readonly Fault[] = [
  {
    name: 'the daemon was killed',
    finds: ['daemon-down'],
    evidence: /the one that made .* is gone/,
    breaks: (lab) => lab.stopDaemon('h1', 'KILL'),
    mends: (lab) => lab.startDaemon('h1'),
  },
  {
    name: 'the daemon is stopped in its tracks',
    finds: ['daemon-down'],
    evidence: /does not answer/,
    breaks: (lab) => lab.stopDaemon('h1', 'STOP'),
    mends: (lab) => lab.stopDaemon('h1', 'CONT'),
  },
  {
    name: 'etcd is down',
    finds: ['etcd-unreachable'],
    evidence: /2379.*ECONNREFUSED/,
    breaks: (lab) => lab.stopEtcd('TERM'),
    mends: (lab) => lab.startEtcd(),
  },
  {
    name: 'etcd has frozen',
    finds: ['etcd-quorum'],
    evidence: /2379/,
    breaks: (lab) => lab.stopEtcd('STOP'),
    mends: (lab) => lab.stopEtcd('CONT'),
  },
  {
    name: 'the way to etcd swallows packets',
    finds: ['etcd-unreachable'],
    evidence: /no answer within/,
    host: 'sw',
    breaks: 'ip link set etcd down',
    mends: 'ip link set etcd up',
  },
  {
    name: 'the name of etcd is not known',
    finds: ['etcd-dns'],
    evidence: /nosuch\.invalid/,
    breaks: 'true',
    mends: 'true',
    words: ['--etcd-endpoints', 'http://nosuch.invalid:2379'],
  },
  {
    name: 'one endpoint of two is wrong',
    finds: ['etcd-unreachable'],
    evidence: /127\.0\.0\.1:1:.*ECONNREFUSED/,
    breaks: 'true',
    mends: 'true',
    words: ['--etcd-endpoints', 'http://198.18.0.2:2379,http://127.0.0.1:1'],
  },
  {
    name: 'the member of etcd has no quorum',
    finds: ['etcd-quorum'],
    evidence: /3379/,
    breaks: `cd /run && (etcd --name a --data-dir /run/lonely --initial-cluster a=http://127.0.0.1:3380,b=http://127.0.0.1:3381 \
      --initial-advertise-peer-urls http://127.0.0.1:3380 --listen-peer-urls http://127.0.0.1:3380 \
      --listen-client-urls http://127.0.0.1:3379 --advertise-client-urls http://127.0.0.1:3379 >/dev/null 2>&1 </dev/null & echo $! >/run/lonely.pid)
      until ss -Htln 'sport = :3379' | grep -q .; do sleep 0.05; done`,
    mends: 'kill -KILL $(cat /run/lonely.pid); rm -rf /run/lonely*',
    words: ['--etcd-endpoints', 'http://127.0.0.1:3379'],
  },
  {
    name: 'the certificate of etcd has expired',
    finds: ['etcd-tls'],
    evidence: /its certificate expired on .*2021/,
    breaks: `mkdir /run/tls && cd /run/tls && touch index && echo 01 >serial
      openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 10 -subj /CN=authority 2>/dev/null
      openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=etcd 2>/dev/null
      printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=IP:127.0.0.1\n' >ca.conf
      openssl ca -config ca.conf -batch -cert ca.crt -keyfile ca.key -in tls.csr -out tls.crt -startdate 200101000000Z -enddate 210101000000Z 2>/dev/null
      (openssl s_server -www -accept 3443 -key tls.key -cert tls.crt >/dev/null 2>&1 </dev/null & echo $! >tls.pid)
      until ss -Htln 'sport = :3443' | grep -q .; do sleep 0.05; done`,
    mends: 'kill -KILL $(cat /run/tls/tls.pid); rm -r /run/tls',
    words: ['--etcd-endpoints', 'https://127.0.0.1:3443', '--etcd-cafile', '/run/tls/ca.crt'],
  },
  {
    name: 'the network config was deleted',
    finds: ['config-missing'],
    evidence: /\/coreos\.com\/network\/config/,
    breaks: etcdctl('del', `${FOLDER}/config`),
    mends: (lab) => lab.putConfig(CONFIG),
  },
  {
    name: 'the network config is no JSON',
    finds: ['config-invalid'],
    evidence: /line 1/,
    breaks: (lab) => lab.putConfig('{"Network": 10.5.0.0/16}'),
    mends: (lab) => lab.putConfig(CONFIG),
  },
  {
    name: 'another network without leave to renumber',
    finds: ['config-refused'],
    evidence: /would get another subnet/,
    breaks: (lab) => lab.putConfig(CONFIG.replace('10.5.', '10.77.')),
    mends: (lab) => lab.putConfig(CONFIG),
  },
  {
    name: 'a key that is no lease',
    finds: ['bad-keys'],
    evidence: /^garbage/,
    breaks: etcdctl('put', `${FOLDER}/subnets/garbage`, '{}'),
    mends: etcdctl('del', `${FOLDER}/subnets/garbage`),
  },
  {
    name: 'another host has the public IP of this one',
    finds: ['duplicate-public-ip'],
    evidence: /198\.18\.1\.1 is in/,
    breaks: (lab) => putLease(lab, '10.5.250.0-24', lease('198.18.1.1')),
    mends: etcdctl('del', `${FOLDER}/subnets/10.5.250.0-24`),
  },
  {
    name: 'a peer of another VNI',
    finds: ['peer-error'],
    evidence: /10\.5\.251\.0-24: .*VNI/,
    breaks: (lab) => putLease(lab, '10.5.251.0-24', lease('198.18.9.9', 99)),
    mends: etcdctl('del', `${FOLDER}/subnets/10.5.251.0-24`),
  },
  {
    name: 'a host that is gone',
    finds: ['peer-silent'],
    evidence: /10\.5\.252\.0-24/,
    breaks: (lab) => putLease(lab, '10.5.252.0-24', lease('198.18.9.9')),
    mends: etcdctl('del', `${FOLDER}/subnets/10.5.252.0-24`),
  },
  {
    name: 'a route into the cluster network',
    finds: ['network-overlap'],
    evidence: /10\.5\.128\.0\/17 dev eth0/,
    breaks: 'ip route add 10.5.128.0/17 via 198.18.1.9 dev eth0 onlink',
    mends: 'ip route del 10.5.128.0/17',
  },
  {
    name: 'the address of the interface was removed',
    finds: ['interface-down'],
    evidence: /ip address show eth0: <\S*UP\S*> (?!.*198\.18\.1\.1)/,
    breaks: 'ip -j address show dev eth0 >/run/eth0; ip address flush dev eth0 scope global',
    mends: 'ip address add 198.18.1.1/16 brd + dev eth0',
  },
  {
    name: 'the interface is down',
    finds: ['interface-down'],
    evidence: /ip address show eth0: <(?!\S*UP)/,
    breaks: 'ip link set eth0 down',
    mends: 'ip link set eth0 up',
  },
  {
    name: 'forwarding is off',
    finds: ['forwarding-off'],
    evidence: /ip_forward = 0/,
    host: 'h3',
    breaks: 'echo 0 >/proc/sys/net/ipv4/ip_forward',
    mends: 'echo 1 >/proc/sys/net/ipv4/ip_forward',
  },
  {
    name: 'FORWARD drops',
    finds: ['forward-drop'],
    evidence: /-P FORWARD DROP/,
    host: 'h3',
    breaks: 'iptables -P FORWARD DROP',
    mends: 'iptables -P FORWARD ACCEPT',
  },
  {
    name: 'INPUT drops the port of the tunnel',
    finds: ['port-dropped', 'tunnel-blocked'],
    evidence: /8472.*DROP/,
    breaks: 'iptables -I INPUT -p udp --dport 8472 -j DROP',
    mends: 'iptables -D INPUT -p udp --dport 8472 -j DROP',
  },
  {
    name: 'a firewall on the way drops the port of the tunnel',
    finds: ['tunnel-blocked'],
    evidence: /echoes of 198\.18\.1\.2 come/,
    host: 'h2',
    asks: 'h1',
    breaks:
      'nft add table netdev t; nft "add chain netdev t i { type filter hook ingress device eth0 priority 0; }"; nft add rule netdev t i udp dport 8472 drop',
    mends: 'nft delete table netdev t',
  },
  {
    name: 'the network between hosts carries less than the MTU',
    finds: ['path-mtu'],
    evidence: /largest packet that passes has 13\d\d bytes/,
    host: 'h2',
    breaks:
      'nft add table netdev t; nft "add chain netdev t i { type filter hook ingress device eth0 priority 0; }"; nft add rule netdev t i ip length gt 1400 drop',
    mends: 'nft delete table netdev t',
  },
  {
    name: 'a device makes wrong checksums',
    finds: ['checksum-offload'],
    evidence: /TCP port 9/,
    // The TCP checksum behind UDP, VXLAN, Ethernet and IP headers of 8, 8, 14 and 20 bytes; a veth would trust what it is not to
    // compute.
    breaks:
      'ethtool -K eth0 tx off; nft add table ip t; nft "add chain ip t o { type filter hook postrouting priority 0; }"; nft add rule ip t o udp dport 8472 @th,312,8 6 @th,528,16 set 0x1234',
    mends: 'nft delete table ip t; ethtool -K eth0 tx on',
  },
  {
    name: 'a more specific route',
    finds: ['route-diverted'],
    evidence: /ip route get .*no way, or blackhole/,
    breaks: (lab) => lab.check('h1', ['ip', 'route', 'add', 'blackhole', halfOfTwo()]),
    mends: (lab) => lab.check('h1', ['ip', 'route', 'del', 'blackhole', halfOfTwo()]),
  },
  {
    name: 'a policy rule',
    finds: ['route-diverted'],
    evidence: /ip route get/,
    breaks: 'ip rule add to 10.5.0.0/16 lookup 100; ip route add blackhole default table 100',
    mends: 'ip rule del to 10.5.0.0/16 lookup 100; ip route flush table 100',
  },
  {
    name: 'strict rp_filter, and answers leave by another interface',
    finds: ['rp-filter'],
    evidence: /dev other0, not eth0/,
    breaks:
      'echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter; ip link add other0 type veth peer name other1; ip link set other0 up; ip link set other1 up; ip route add 198.18.1.2/32 dev other0',
    mends: 'ip link del other0; echo 0 >/proc/sys/net/ipv4/conf/eth0/rp_filter',
  },
  {
    name: 'a script that keeps deleting a route',
    finds: ['contested'],
    evidence: /route/,
    breaks: (lab) =>
      lab.check('h1', [
        'sh',
        '-c',
        `(while :; do ip route del ${two.subnet}; sleep 0.02; done >/dev/null 2>&1 </dev/null & echo $! >/run/loop.pid)`,
      ]),
    mends: 'kill -KILL $(cat /run/loop.pid)',
  },
  {
    name: 'flanneld beside weft',
    finds: ['two-daemons'],
    evidence: /flanneld/,
    breaks:
      'cp /bin/sleep /run/flanneld; (/run/flanneld 1000 >/dev/null 2>&1 </dev/null & echo $! >/run/flanneld.pid)',
    mends: 'kill -KILL $(cat /run/flanneld.pid)',
  },
  {
    name: 'subnet.env cannot be written',
    finds: ['subnet-file'],
    evidence: /missing or cannot be read/,
    breaks: (lab) =>
      lab.check('h1', ['sh', '-c', `rm ${lab.subnetFile('h1')}; mkdir ${lab.subnetFile('h1')}`]),
    mends: (lab) => lab.check('h1', ['rmdir', lab.subnetFile('h1')]),
  },
  {
    name: "Docker's own subnet",
    finds: ['bridge-subnet', 'bridge-mtu'],
    evidence: /172\.17\.0\.1\/16, the lease is 10\.5\./,
    breaks:
      'ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up',
    mends: 'ip link del docker0',
  },
];

describe('weft doctor', () => {
  const lab = useLab({ hosts: 3, config: CONFIG });

  before(async () => {
    await waitUntilReady(lab(), 'h3');
    await lab().stopDaemon('h3');
    await lab().startDaemon('h3', ['--no-sysctl', '--iptables-forward-rules=false']);
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    two = await viewOf(lab(), 'h2');
    await waitUntilWhole();
  });

  async function examine(host: string, words: readonly string[] = []): Promise<DoctorV1 & { code: number }> {
    const { code, stdout, stderr } = await lab().weft(host, ['doctor', '--json', ...words]);
    assert.match(stdout, /^\{/, stderr);
    return { ...(JSON.parse(stdout) as DoctorV1), code };
  }

  async function waitUntilWhole(): Promise<void> {
    for (const { name } of lab().topology.hosts) {
      await waitUntilReady(lab(), name);
      const isJoined = async (): Promise<boolean> => (await programmedPeers(lab(), name)).length === 2;
      await waitFor(`${name} to know the others only`, isJoined, PATIENCE_MS, 50);
    }
  }

  const run = (step: Fault['breaks'], host: string): Promise<unknown> =>
    typeof step === 'string' ? lab().check(host, ['sh', '-c', step]) : step(lab());

  it('finds nothing on hosts that are well', async () => {
    assert.deepEqual((await examine('h1')).findings, []);
    assert.equal((await leaseKeys(lab())).length, 3);
  });

  for (const fault of FAULTS)
    it(`names the cause: ${fault.name}`, async () => {
      const { breaks, mends, finds, evidence, host = 'h1', asks = host, words } = fault;
      const asked = lab().topology.hosts.some(({ name }) => name === asks) ? asks : 'h1';
      await run(breaks, host);
      try {
        let last: DoctorV1 | undefined;
        const isNamed = async (): Promise<boolean> => {
          last = await examine(asked, words);
          return finds.every((id) => last?.findings.some(({ check }) => check === id));
        };
        await waitFor(`it to find ${finds.join(' and ')}`, isNamed, PATIENCE_MS).catch((error: Error) => {
          throw new Error(`${error.message}: ${JSON.stringify(last?.findings, null, 1)}`);
        });
        const first = last!.findings.find(({ check }) => check === finds[0])!;
        assert.match(first.evidence.join('\n'), evidence);
      } finally {
        await run(mends, host);
        await waitUntilWhole();
      }
    });

  it('finds nothing when all is mended', async () => {
    for (const { name } of lab().topology.hosts) {
      const isWell = async (): Promise<boolean> => (await examine(name)).findings.length === 0;
      await waitFor(`${name} to be well`, isWell, PATIENCE_MS);
    }
  });
});

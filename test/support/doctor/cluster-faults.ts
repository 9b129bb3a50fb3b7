// Faults of the daemon, etcd, the network config and the leases.
import type { Lab } from '../../../lab/lab.ts';
import { putLease } from '../daemon-view.ts';
import { CONFIG, type Fault } from './fault.ts';

const FOLDER = '/coreos.com/network';

const etcdctl =
  (...args: string[]) =>
  (lab: Lab) =>
    lab.etcdctl(args);
const lease = (publicIp: string, vni = 1) => ({
  PublicIP: publicIp,
  PublicIPv6: null,
  BackendType: 'vxlan',
  BackendData: { VNI: vni, VtepMAC: '02:00:00:00:00:77' },
});

export const CLUSTER_FAULTS: readonly Fault[] = [
  {
    name: 'the daemon was killed',
    finds: ['daemon-down'],
    evidence: /the one that made .* is gone/,
    breaks: (lab) => lab.stopDaemon('h1', 'KILL'),
    fixes: (lab) => lab.startDaemon('h1'),
  },
  {
    name: 'the daemon is suspended',
    finds: ['daemon-down'],
    evidence: /does not answer/,
    breaks: (lab) => lab.stopDaemon('h1', 'STOP'),
    fixes: (lab) => lab.stopDaemon('h1', 'CONT'),
  },
  {
    name: 'etcd is down',
    finds: ['etcd-unreachable'],
    evidence: /2379.*ECONNREFUSED/,
    breaks: (lab) => lab.stopEtcd('TERM'),
    fixes: (lab) => lab.startEtcd(),
  },
  {
    name: 'etcd has frozen',
    finds: ['etcd-quorum'],
    evidence: /2379/,
    breaks: (lab) => lab.stopEtcd('STOP'),
    fixes: (lab) => lab.stopEtcd('CONT'),
  },
  {
    name: 'the network to etcd drops packets',
    finds: ['etcd-unreachable'],
    evidence: /no answer within/,
    host: 'sw',
    breaks: 'ip link set etcd down',
    fixes: 'ip link set etcd up',
  },
  {
    name: 'the name of etcd does not resolve',
    finds: ['etcd-dns'],
    evidence: /nosuch\.invalid/,
    breaks: 'true',
    fixes: 'true',
    args: ['--etcd-endpoints', 'http://nosuch.invalid:2379'],
  },
  {
    name: 'one endpoint of two is wrong',
    finds: ['etcd-unreachable'],
    evidence: /127\.0\.0\.1:1:.*ECONNREFUSED/,
    breaks: 'true',
    fixes: 'true',
    args: ['--etcd-endpoints', 'http://198.18.0.2:2379,http://127.0.0.1:1'],
  },
  {
    name: 'the member of etcd has no quorum',
    finds: ['etcd-quorum'],
    evidence: /3379/,
    breaks: `cd /run && (etcd --name a --data-dir /run/alone --initial-cluster a=http://127.0.0.1:3380,b=http://127.0.0.1:3381 \
      --initial-advertise-peer-urls http://127.0.0.1:3380 --listen-peer-urls http://127.0.0.1:3380 \
      --listen-client-urls http://127.0.0.1:3379 --advertise-client-urls http://127.0.0.1:3379 >/dev/null 2>&1 </dev/null & echo $! >/run/alone.pid)
      until ss -Htln 'sport = :3379' | grep -q .; do sleep 0.05; done`,
    fixes: 'kill -KILL $(cat /run/alone.pid); rm -rf /run/alone*',
    args: ['--etcd-endpoints', 'http://127.0.0.1:3379'],
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
    fixes: 'kill -KILL $(cat /run/tls/tls.pid); rm -r /run/tls',
    args: ['--etcd-endpoints', 'https://127.0.0.1:3443', '--etcd-cafile', '/run/tls/ca.crt'],
  },
  {
    name: 'the network config was deleted',
    finds: ['config-missing'],
    evidence: /\/coreos\.com\/network\/config/,
    breaks: etcdctl('del', `${FOLDER}/config`),
    fixes: (lab) => lab.putConfig(CONFIG),
  },
  {
    name: 'the network config lies under its prefix',
    finds: ['config-missing'],
    evidence: /a key \/coreos\.com\/network\b/,
    breaks: async (lab) => {
      await lab.etcdctl(['put', FOLDER, CONFIG]);
      await lab.etcdctl(['del', `${FOLDER}/config`]);
    },
    fixes: async (lab) => {
      await lab.etcdctl(['del', FOLDER]);
      await lab.putConfig(CONFIG);
    },
  },
  {
    name: 'the network config is no JSON',
    finds: ['config-invalid'],
    evidence: /line 1/,
    breaks: (lab) => lab.putConfig('{"Network": 10.5.0.0/16}'),
    fixes: (lab) => lab.putConfig(CONFIG),
  },
  {
    name: 'another network without --renumber',
    finds: ['config-refused'],
    evidence: /would get another subnet/,
    breaks: (lab) => lab.putConfig(CONFIG.replace('10.5.', '10.77.')),
    fixes: (lab) => lab.putConfig(CONFIG),
  },
  {
    name: 'a key that is no lease',
    finds: ['bad-keys'],
    evidence: /^garbage/,
    breaks: etcdctl('put', `${FOLDER}/subnets/garbage`, '{}'),
    fixes: etcdctl('del', `${FOLDER}/subnets/garbage`),
  },
  {
    name: 'another host has the public IP of this one',
    finds: ['duplicate-public-ip'],
    evidence: /198\.18\.1\.1 is in/,
    breaks: (lab) => putLease(lab, '10.5.250.0-24', lease('198.18.1.1')),
    fixes: etcdctl('del', `${FOLDER}/subnets/10.5.250.0-24`),
  },
  {
    name: 'two hosts publish one MAC address',
    finds: ['vtep-mac-twice'],
    evidence: /02:00:00:00:00:77 is in 10\.5\.253\.0-24 and 10\.5\.254\.0-24/,
    breaks: async (lab) => {
      await putLease(lab, '10.5.253.0-24', lease('198.18.9.8'));
      await putLease(lab, '10.5.254.0-24', lease('198.18.9.9'));
    },
    fixes: async (lab) => {
      for (const subnet of ['10.5.253.0-24', '10.5.254.0-24'])
        await lab.etcdctl(['del', `${FOLDER}/subnets/${subnet}`]);
    },
  },
  {
    name: 'a peer of another VNI',
    finds: ['peer-error'],
    evidence: /10\.5\.251\.0-24: .*VNI/,
    breaks: (lab) => putLease(lab, '10.5.251.0-24', lease('198.18.9.9', 99)),
    fixes: etcdctl('del', `${FOLDER}/subnets/10.5.251.0-24`),
  },
  {
    name: 'a host that is down',
    finds: ['peer-silent'],
    evidence: /10\.5\.252\.0-24/,
    breaks: (lab) => putLease(lab, '10.5.252.0-24', lease('198.18.9.9')),
    fixes: etcdctl('del', `${FOLDER}/subnets/10.5.252.0-24`),
  },
  {
    name: "the clock of etcd's host is wrong",
    finds: ['etcd-clock'],
    evidence: /its clock is (?:3599|3600|3601) s behind/,
    breaks: `(${process.execPath} -e "require('http').createServer((request, answer) => {
        answer.setHeader('Date', new Date(Date.now() - 3600e3).toUTCString()); answer.end('{}'); }).listen(3381, '127.0.0.1')" \
        >/dev/null 2>&1 </dev/null & echo $! >/run/clock.pid)
      until ss -Htln 'sport = :3381' | grep -q .; do sleep 0.05; done`,
    fixes: 'kill -KILL $(cat /run/clock.pid)',
    args: ['--etcd-endpoints', 'http://127.0.0.1:3381'],
  },
];

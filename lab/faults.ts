// Manual faults of a VXLAN host, as data: the commands that cause each, and the condition of a healthy host.
// Tests check that all are repaired; a benchmark measures how fast.

/** Facts that the commands of a fault use, read from a healthy host. */
export interface FaultFacts {
  readonly device: string;
  readonly ownSubnet: string;
  readonly ownMac: string;
  readonly mtu: number;
  readonly peerSubnet: string;
  readonly peerMac: string;
  readonly peerPublicIp: string;
}

export interface Fault {
  readonly name: string;
  /** `entry`: one route, neighbour, FDB entry or address. `device`: the VXLAN device or the interface below it. */
  readonly kind: 'entry' | 'device';
  /** Shell commands that break the host. */
  readonly script: string;
  /** Shell condition that succeeds on a healthy host. */
  readonly isHealthy: string;
}

/** All faults for one host and one of its peers. */
export function faultsOf(facts: FaultFacts): Fault[] {
  return [...entryFaults(facts), ...deviceFaults(facts)];
}

function entryFaults(facts: FaultFacts): Fault[] {
  const { device, ownSubnet, peerSubnet, peerMac, peerPublicIp } = facts;
  const address = networkAddress(peerSubnet);
  const entries = entryConditions(facts);
  const entry = (name: string, script: string, isHealthy: string): Fault => ({
    name,
    kind: 'entry',
    script,
    isHealthy,
  });
  const wrongMac = '02:00:00:00:00:01';
  return [
    entry('route deleted', `ip route del ${peerSubnet}`, entries.route),
    entry('route altered', `ip route replace ${peerSubnet} via 198.18.0.1 dev eth0`, entries.route),
    entry('route made a blackhole', `ip route replace blackhole ${peerSubnet}`, entries.route),
    entry('routes flushed', `ip route flush dev ${device}`, entries.route),
    entry('neighbour deleted', `ip neigh del ${address} dev ${device}`, entries.neighbour),
    entry(
      'neighbour altered',
      `ip neigh replace ${address} lladdr ${wrongMac} dev ${device} nud permanent`,
      entries.neighbour,
    ),
    entry('neighbours flushed', `ip neigh flush dev ${device} nud permanent`, entries.neighbour),
    entry('FDB entry deleted', `bridge fdb del ${peerMac} dev ${device}`, entries.fdb),
    entry(
      'FDB entry altered',
      `bridge fdb replace ${peerMac} dev ${device} dst 198.18.0.1 self permanent`,
      entries.fdb,
    ),
    entry(
      'FDB entry doubled',
      `bridge fdb append ${peerMac} dev ${device} dst 198.18.0.1 self permanent`,
      `[ "$(bridge fdb show dev ${device} | grep -c '^${peerMac} ')" = 1 ] && bridge fdb show dev ${device} | grep -q '^${peerMac} dst ${peerPublicIp} '`,
    ),
    entry(
      'address deleted',
      `ip addr del ${networkAddress(ownSubnet)}/32 dev ${device}`,
      `${entries.address} && ${entries.route}`,
    ),
  ];
}

function deviceFaults(facts: FaultFacts): Fault[] {
  const { device, ownMac, mtu } = facts;
  const conditions = entryConditions(facts);
  const entries = [conditions.address, conditions.route, conditions.neighbour, conditions.fdb].join(' && ');
  const isHealthy = `ip link show ${device} up 2>/dev/null | grep -q 'mtu ${mtu} ' && ip link show ${device} | grep -q ${ownMac} && ip -d link show ${device} | grep -q 'vxlan id 1 ' && ${entries}`;
  const fault = (name: string, script: string): Fault => ({ name, kind: 'device', script, isHealthy });
  return [
    fault('device set down', `ip link set ${device} down`),
    fault('device MTU changed', `ip link set ${device} mtu 1300`),
    fault('device MAC changed', `ip link set ${device} address 02:00:00:00:00:02`),
    fault('device deleted', `ip link del ${device}`),
    fault(
      'foreign device of the same name, another VNI',
      `ip link del ${device}; ip link add ${device} type vxlan id 99 dev eth0 dstport 9999 && ip link set ${device} up || true`,
    ),
    fault(
      'foreign device of the same name, another kind',
      `ip link del ${device}; ip link add ${device} type bridge && ip link set ${device} up || true`,
    ),
    fault(
      'underlay interface down and up',
      'ip link set eth0 down; ip link set eth0 up; ip route replace default via 198.18.0.1',
    ),
  ];
}

interface EntryConditions {
  readonly route: string;
  readonly neighbour: string;
  readonly fdb: string;
  readonly address: string;
}

function entryConditions({
  device,
  ownSubnet,
  peerSubnet,
  peerMac,
  peerPublicIp,
}: FaultFacts): EntryConditions {
  const address = networkAddress(peerSubnet);
  return {
    route: `ip route show ${peerSubnet} 2>/dev/null | grep -q '^${peerSubnet} via ${address} dev ${device} .*onlink'`,
    neighbour: `ip neigh show ${address} dev ${device} 2>/dev/null | grep -q '${peerMac} PERMANENT'`,
    fdb: `bridge fdb show dev ${device} 2>/dev/null | grep -q '^${peerMac} dst ${peerPublicIp} '`,
    address: `ip addr show dev ${device} 2>/dev/null | grep -q 'inet ${networkAddress(ownSubnet)}/32 scope global'`,
  };
}

function networkAddress(subnet: string): string {
  return subnet.split('/')[0]!;
}

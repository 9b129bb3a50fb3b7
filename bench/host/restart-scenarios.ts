// Scenarios of bench/host/restart.ts: the transport between two hosts, and the config changes that apply to it. Data only.

type Backend = Readonly<Record<string, unknown>>;

/** A change of the network config while packets flow. */
export type ChangeName = 'another MTU' | 'another port' | 'another backend';

/** One transport between two hosts. */
export interface RestartScenario {
  readonly name: string;
  /** `Backend` of the network config. */
  readonly backend: Backend;
  /** What it is changed to, where it can be; afterwards it is what it was. */
  readonly changes: Readonly<Partial<Record<ChangeName, Backend>>>;
  /** Whether something keeps the daemon's descriptors while it is away, as systemd does for the packages' unit. */
  readonly hasFdStore: boolean;
  /** The kernel alone moves packets, so that no start of a daemon may lose any. */
  readonly isInKernel: boolean;
}

const VXLAN = { Type: 'vxlan' } as const;
const USERSPACE_VXLAN = { ...VXLAN, Userspace: true } as const;
const UDP = { Type: 'udp' } as const;

/** The three changes of a transport with an MTU and a port, `other` being another backend. */
function changesOf(backend: Backend, other: Backend): RestartScenario['changes'] {
  return {
    'another MTU': { ...backend, MTU: 1400 },
    'another port': { ...backend, Port: 8999 },
    'another backend': other,
  };
}

/** In userspace, with a service manager's store of descriptors and without. */
function userspaceScenarios(name: string, backend: Backend): RestartScenario[] {
  return [true, false].map((hasFdStore) => ({
    name: hasFdStore ? `${name}, fd store` : name,
    backend,
    changes: changesOf(backend, VXLAN),
    hasFdStore,
    isInKernel: false,
  }));
}

export const SCENARIOS: readonly RestartScenario[] = [
  {
    name: 'vxlan',
    backend: VXLAN,
    changes: changesOf(VXLAN, { Type: 'host-gw' }),
    hasFdStore: false,
    isInKernel: true,
  },
  {
    name: 'host-gw',
    backend: { Type: 'host-gw' },
    changes: { 'another backend': VXLAN },
    hasFdStore: false,
    isInKernel: true,
  },
  ...userspaceScenarios('userspace vxlan', USERSPACE_VXLAN),
  ...userspaceScenarios('udp', UDP),
];

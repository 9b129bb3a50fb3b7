// WireGuard devices of this network namespace, kernel's or a program's: creates and changes them,
// applies peers, reads both. Secrets come from the keyring, and only requests hold them.
import type { Cidr } from '../../../lib/address.ts';
import { parseEndpoint } from '../../../lib/endpoint.ts';
import type { WireguardLink, WireguardPeerObject } from '../../../backends/kernel-state.ts';
import { TUN_KIND, WIREGUARD_KIND } from '../netlink/constants.ts';
import { encodeLinkChange, encodeLinkCreate, type LinkChange, type LinkMessage } from '../netlink/link.ts';
import type { NetlinkClient, NetlinkClientOptions } from '../netlink/netlink-client.ts';
import { DONE, takenName, type Outcome, rejection } from '../netlink/outcome.ts';
import { readLink } from '../netlink-reader.ts';
import { describeDrift } from '../actual-state.ts';
import { asOutcome } from '../netlink-links.ts';
import { NetlinkWireguard } from './netlink-wireguard.ts';
import { UapiWireguard, type UapiOptions } from './uapi-wireguard.ts';
import type { WireguardControl, WireguardPeerStep } from './wireguard-control.ts';
import { WireguardKeyring } from './wireguard-keyring.ts';
import { NO_PSK, type WireguardDeviceMessage } from './wireguard-model.ts';
import { EndpointMemory, toWireguardLink } from './wireguard-objects.ts';
import { startWireguardProgram } from './wireguard-program.ts';

export interface WireguardDevicesOptions extends NetlinkClientOptions {
  /** Default: an empty one, with which devices can be read and not made. */
  readonly keyring?: WireguardKeyring | undefined;
  readonly uapi?: UapiOptions;
  /** Default {@link startWireguardProgram}. */
  readonly startProgram?: (device: string) => Promise<Outcome>;
}

/** One change of a peer. */
export interface PeerStep {
  readonly action: 'set' | 'remove';
  readonly object: WireguardPeerObject;
}

export class WireguardDevices {
  /** Endpoints as set last, which peers may have moved since. */
  readonly endpoints = new EndpointMemory();
  readonly #netlink: NetlinkWireguard;
  readonly #uapi: UapiWireguard;
  readonly #keyring: WireguardKeyring;
  readonly #startProgram: (device: string) => Promise<Outcome>;

  constructor(options: WireguardDevicesOptions) {
    const { keyring = new WireguardKeyring(), startProgram = startWireguardProgram, uapi } = options;
    this.#netlink = new NetlinkWireguard(options);
    this.#uapi = new UapiWireguard(uapi);
    this.#keyring = keyring;
    this.#startProgram = startProgram;
  }

  /** `undefined` if `link` is no WireGuard device. @throws KernelReadError */
  async read(link: Pick<LinkMessage, 'kind' | 'name'>): Promise<WireguardDeviceMessage | undefined> {
    return this.#controlOf(link)?.read(link.name);
  }

  /** Whether a kernel or program serves `link` as a WireGuard device. */
  isServed(link: Pick<LinkMessage, 'kind' | 'name'>): boolean {
    return this.#controlOf(link) !== undefined;
  }

  /**
   * Creates the device `link`, or changes it in place. EOPNOTSUPP: neither kernel nor a program can
   * make it. Never rejects.
   */
  ensure(client: NetlinkClient, link: WireguardLink): Promise<Outcome> {
    return asOutcome(async () => {
      const privateKey = this.#keyring.privateKeyOf(link.publicKey);
      if (privateKey === undefined)
        return rejection('ENOKEY', `the private key of ${link.publicKey} is not known`);
      const created = await this.#create(client, link.name);
      if (created.status !== 'done') return created;
      const device = await readLink(client, { name: link.name });
      const control = device && this.#controlOf(device);
      if (device === undefined || control === undefined) return takenName(link.name, 'no WireGuard device');
      const outcome = await this.#configure(client, control, device, { link, privateKey });
      return outcome.status === 'done' ? this.#verify(client, link) : outcome;
    });
  }

  /** One outcome a step, all on the device `link`. Never rejects. */
  async applyPeers(
    link: Pick<LinkMessage, 'kind' | 'name'>,
    steps: readonly PeerStep[],
  ): Promise<readonly Outcome[]> {
    const control = this.#controlOf(link);
    if (control === undefined)
      return steps.map(() => rejection('ENODEV', `${link.name} is no WireGuard device`));
    const changes = steps.map((step) => this.#peerStep(step));
    const isKnown = (change: WireguardPeerStep | Outcome): change is WireguardPeerStep => 'action' in change;
    const outcomes = await control.applyPeers(link.name, changes.filter(isKnown));
    let next = 0;
    return changes.map((change, index) => {
      if (!isKnown(change)) return change;
      const outcome = outcomes[next++]!;
      if (outcome.status === 'done') this.endpoints.record(steps[index]!);
      return outcome;
    });
  }

  close(): void {
    this.#netlink.close();
  }

  #controlOf({ kind, name }: Pick<LinkMessage, 'kind' | 'name'>): WireguardControl | undefined {
    if (kind === WIREGUARD_KIND) return this.#netlink;
    return kind === TUN_KIND && this.#uapi.hasSocket(name) ? this.#uapi : undefined;
  }

  async #create(client: NetlinkClient, name: string): Promise<Outcome> {
    if ((await readLink(client, { name })) !== undefined) return DONE;
    this.endpoints.forget(name);
    const [outcome] = await client.send([(writer) => encodeLinkCreate(writer, name, WIREGUARD_KIND)]);
    if (outcome?.status !== 'rejected' || outcome.errno !== 'EOPNOTSUPP') return outcome!;
    return this.#startProgram(name);
  }

  /** The port is bound when the device goes up (wg_open), so that it comes last. */
  async #configure(
    client: NetlinkClient,
    control: WireguardControl,
    { index, kind, mtu }: LinkMessage,
    { link, privateKey }: { readonly link: WireguardLink; readonly privateKey: Buffer },
  ): Promise<Outcome> {
    const current = await control.read(link.name);
    // The kernel drops all sessions with a key that is set, be it the same (wg_set_device).
    const isSameKey = current?.publicKey === link.publicKey;
    const key = isSameKey ? {} : { privateKey };
    // wireguard-go closes its sockets with a port that is set, be it the same.
    const isSet = isSameKey && current.listenPort === link.listenPort && current.fwmark === 0;
    const set = isSet ? DONE : await control.setDevice(link.name, { ...key, listenPort: link.listenPort });
    if (set.status !== 'done') return set;
    const change: LinkChange = {
      // A TUN device drops all packets with a queue of none.
      ...(kind === WIREGUARD_KIND && { txQueueLength: 0 }),
      ...(mtu !== link.mtu && { mtu: link.mtu }),
    };
    const [outcome] = await client.send([(writer) => encodeLinkChange(writer, index, change)]);
    return outcome!;
  }

  async #verify(client: NetlinkClient, link: WireguardLink): Promise<Outcome> {
    const made = await readLink(client, { name: link.name });
    const device = made && (await this.read(made));
    if (made === undefined || device === undefined)
      return rejection('ENODEV', `${link.name} vanished right after its creation`);
    const drift = describeDrift(link, toWireguardLink(made, device));
    return drift === '' ? DONE : rejection('EINVAL', `${link.name} was set differently: ${drift}`);
  }

  #peerStep({ action, object }: PeerStep): WireguardPeerStep | Outcome {
    const { publicKey, pskId, endpoint, keepaliveSec, allowedIps } = object;
    if (action === 'remove') return { action, publicKey };
    const at = parseEndpoint(endpoint);
    const psk = pskId === '' ? NO_PSK : this.#keyring.presharedKeyOf(pskId);
    if (psk === undefined) return rejection('ENOKEY', `the preshared key ${pskId} is not known`);
    const allowed = allowedIps.split(' ').filter((cidr) => cidr !== '') as Cidr[];
    return {
      action,
      peer: { publicKey, psk, ...(at && { endpoint: at }), keepaliveSec, allowedIps: allowed },
    };
  }
}

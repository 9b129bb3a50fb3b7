// The Kubernetes API server as registry: node-ipam gives each Node its pod CIDRs, and each host
// publishes its attributes as annotations of its own Node, as flannel does.
import type { Random } from '../../../lib/backoff.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { LeaseAttributes } from '../../lease.ts';
import type {
  AssigningRegistry,
  Assignment,
  RegistryChanges,
  RegistryEntry,
  RegistrySnapshot,
  Revision,
  WatchEnd,
  WatchOptions,
} from '../registry.ts';
import type { ClusterAccess } from './access.ts';
import type { AnnotationNames } from './annotations.ts';
import { ApiClient } from './api-client.ts';
import { ConfigFile } from './config-file.ts';
import { annotationsOf, parsePodCidrs, readOwnEntry } from './node-lease.ts';
import { NodeReader } from './node-reader.ts';
import type { NodeRecord } from './node-record.ts';

export interface KubernetesRegistryOptions {
  readonly access: ClusterAccess;
  readonly names: AnnotationNames;
  /** Name of this host's Node. */
  readonly nodeName: string;
  /** File of the network config. */
  readonly configPath: string;
  /** Whether the condition NetworkUnavailable is written. */
  readonly setsCondition: boolean;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** The fields of the value are merged one by one. */
const STRATEGIC_MERGE = 'application/strategic-merge-patch+json';

export class KubernetesRegistry implements AssigningRegistry {
  readonly allocation = 'assigned';
  readonly #options: KubernetesRegistryOptions;
  readonly #client: ApiClient;
  readonly #config: ConfigFile;
  readonly #reader: NodeReader;

  /** Connects to nothing yet. */
  constructor(options: KubernetesRegistryOptions) {
    const { access, clock, configPath, names, nodeName: ownName, random, userAgent } = options;
    this.#options = options;
    this.#client = new ApiClient({ access, clock, userAgent });
    this.#config = new ConfigFile(configPath);
    this.#reader = new NodeReader({
      client: this.#client,
      clock,
      random,
      names,
      ownName,
      config: this.#config,
    });
  }

  get ownKey(): string {
    return this.#options.nodeName;
  }

  snapshot(signal?: AbortSignal): Promise<RegistrySnapshot> {
    return this.#reader.snapshot(signal);
  }

  changesSince(since: Revision, signal?: AbortSignal): Promise<RegistryChanges> {
    return this.#reader.changesSince(since, signal);
  }

  watch(options: WatchOptions): Promise<WatchEnd> {
    return this.#reader.watch(options);
  }

  assignmentOf(entry: RegistryEntry): Assignment {
    const record = readOwnEntry(entry);
    return {
      uid: record.uid,
      subnets: parsePodCidrs(record.podCidrs ?? []),
      isPublished: (attributes) => this.#missing(record, attributes).length === 0,
    };
  }

  async publish(entry: RegistryEntry, attributes: LeaseAttributes, signal?: AbortSignal): Promise<void> {
    const record = readOwnEntry(entry);
    const annotations = Object.fromEntries(this.#missing(record, attributes));
    // The UID makes a Node that was deleted and made again reject what was meant for the old one.
    await this.#patch({ metadata: { uid: record.uid, annotations } }, signal);
  }

  async setReady(isReady: boolean, reason: string, signal?: AbortSignal): Promise<void> {
    if (!this.#options.setsCondition) return;
    const now = new Date().toISOString();
    const condition = {
      type: 'NetworkUnavailable',
      status: isReady ? 'False' : 'True',
      reason: isReady ? 'WeftIsUp' : 'WeftIsDown',
      message: reason,
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    };
    await this.#patch({ status: { conditions: [condition] } }, signal);
  }

  reconnect(): void {
    this.#client.reconnect();
  }

  close(): void {
    this.#config.close();
    this.#client.close();
  }

  /** Annotations that differ from those that publish `attributes`, by full name. */
  #missing(record: NodeRecord, attributes: LeaseAttributes): [string, string | null][] {
    const { names } = this.#options;
    const { publicIpOverwrite: publicIp, publicIpv6Overwrite: publicIpv6 } = record.annotations;
    const overwrites = { ...(publicIp && { publicIp }), ...(publicIpv6 && { publicIpv6 }) };
    const { podCidrs = [], uid } = record;
    const wanted = annotationsOf(attributes, { uid, podCidrs }, names, overwrites);
    const present = new Map(
      Object.entries(record.annotations).map(([short, value]) => [
        names[short as keyof AnnotationNames],
        value,
      ]),
    );
    return Object.entries(wanted).filter(([name, value]) => (present.get(name) ?? null) !== value);
  }

  async #patch(body: object, signal: AbortSignal | undefined): Promise<void> {
    const path = `/api/v1/nodes/${encodeURIComponent(this.ownKey)}/status`;
    await this.#client.json({ method: 'PATCH', path, contentType: STRATEGIC_MERGE, body, signal });
  }
}

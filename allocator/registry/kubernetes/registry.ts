// The Kubernetes API server as registry: node-ipam gives each Node its pod CIDRs, and each host
// publishes its attributes as annotations of its own Node, as flannel does.
import type { Random } from '../../../lib/backoff.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { LeaseAttributes } from '../../lease.ts';
import type { LastKnown } from '../cache-recall.ts';
import { RegistryError } from '../registry.ts';
import type {
  AssigningRegistry,
  Assignment,
  NodeReport,
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
import { ConfigFile, type ConfigListener } from './config-file.ts';
import { annotationsOf, parsePodCidrs, readOwnEntry } from './node-lease.ts';
import { eventOf, EVENTS_PATH } from './node-event.ts';
import { NodeReader } from './node-reader.ts';
import type { NodeObject, NodeRecord } from './node-record.ts';
import type { SavedNodes } from './saved-nodes.ts';

export interface KubernetesRegistryOptions {
  readonly access: ClusterAccess;
  readonly names: AnnotationNames;
  /** Name of this host's Node. */
  readonly nodeName: string;
  /** File of the network config. */
  readonly configPath: string;
  /** Whether the condition NetworkUnavailable is written. */
  readonly setsCondition: boolean;
  /** Key of a taint of the own Node that is removed when its network works; empty: none is. */
  readonly startupTaint: string;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** The fields of the value are merged one by one. */
const STRATEGIC_MERGE = 'application/strategic-merge-patch+json';
const MERGE = 'application/merge-patch+json';

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

  /** Takes what an earlier process saved for the registry until an API server answers. */
  async assume({ entries, revision, savedAt }: SavedNodes): Promise<LastKnown> {
    this.#reader.assume(entries);
    // A file that cannot be read is reported by the next list.
    const config = await this.#config.read().catch(() => undefined);
    return { revision, savedAt, entries, ...(config && { config }) };
  }

  changesSince(since: Revision, signal?: AbortSignal): Promise<RegistryChanges> {
    return this.#reader.changesSince(since, signal);
  }

  watch(options: WatchOptions): Promise<WatchEnd> {
    return this.#reader.watch(options);
  }

  followConfig(listener: ConfigListener): () => void {
    return this.#config.subscribe(listener);
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
    const answer = await this.#patch({ metadata: { uid: record.uid, annotations } }, signal);
    const isShown = ([name, value]: [string, string | null]): boolean =>
      (answer.metadata?.annotations?.[name] ?? null) === value;
    const dropped = Object.entries(annotations).find((one) => !isShown(one));
    if (dropped !== undefined) throw droppedError(dropped[0], this.ownKey);
  }

  async setReady(isReady: boolean, reason: string, signal?: AbortSignal): Promise<void> {
    if (this.#options.setsCondition) await this.#setCondition(isReady, reason, signal);
    if (isReady && this.#options.startupTaint !== '') await this.#removeTaint(signal);
  }

  async report(report: NodeReport, signal?: AbortSignal): Promise<void> {
    const { nodeName } = this.#options;
    const uid = this.#reader.ownUid;
    const body = eventOf(report, { nodeName, uid, at: new Date() });
    await this.#client.json({ method: 'POST', path: EVENTS_PATH, body, signal });
  }

  /** Keeps pods off the node until its network works; a conflict with another program is an error. */
  async #removeTaint(signal: AbortSignal | undefined): Promise<void> {
    const path = `/api/v1/nodes/${encodeURIComponent(this.ownKey)}`;
    const { metadata, spec } = await this.#client.json<NodeObject>({ path, signal });
    const taints = spec?.taints ?? [];
    const kept = taints.filter(({ key }) => key !== this.#options.startupTaint);
    if (kept.length === taints.length) return;
    // A list of a merge patch replaces the whole, so that it is valid for one revision alone.
    const { resourceVersion, uid } = metadata ?? {};
    const body = { metadata: { uid, resourceVersion }, spec: { taints: kept } };
    await this.#client.json({ method: 'PATCH', path, contentType: MERGE, body, signal });
  }

  async #setCondition(isReady: boolean, reason: string, signal: AbortSignal | undefined): Promise<void> {
    const now = new Date().toISOString();
    const condition = {
      type: 'NetworkUnavailable',
      status: isReady ? 'False' : 'True',
      reason: isReady ? 'WeftIsUp' : 'WeftIsDown',
      message: reason,
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    };
    // What was found out about a Node does not hold for one of its name that is made after it.
    const metadata = { uid: this.#reader.ownUid };
    await this.#patch({ metadata, status: { conditions: [condition] } }, signal);
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

  /** Resolves with the Node as it is then. */
  async #patch(body: object, signal: AbortSignal | undefined): Promise<NodeObject> {
    const path = `/api/v1/nodes/${encodeURIComponent(this.ownKey)}/status`;
    return this.#client.json({ method: 'PATCH', path, contentType: STRATEGIC_MERGE, body, signal });
  }
}

/** Transient: the program that does it may be gone the next time. */
function droppedError(annotation: string, node: string): RegistryError {
  return new RegistryError(
    'REGISTRY_UNAVAILABLE',
    `PATCH of node ${JSON.stringify(node)}: the API server accepts the annotation ${annotation} and does not keep it: an admission webhook or policy drops or replaces it; exempt the annotations of weft there`,
  );
}

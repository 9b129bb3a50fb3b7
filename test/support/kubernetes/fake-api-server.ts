// A small API server for unit specs: Node objects with list, watch, patch and the answers that a real
// one gives seldom. Passes the compliance suite of the Kubernetes registry, like the real one.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface FakeNode {
  metadata: {
    name: string;
    uid: string;
    resourceVersion: string;
    annotations?: Record<string, string>;
  };
  spec: { podCIDR?: string; podCIDRs?: string[]; taints?: FakeTaint[] };
  status: { conditions?: { type: string; status: string; message?: string; reason?: string }[] };
}

export interface FakeTaint {
  key: string;
  effect: string;
}

/** Fields of a core Event that suites read. */
export interface FakeReport {
  readonly involvedObject: { readonly name: string; readonly uid?: string };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

interface Event {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly node: FakeNode;
  readonly revision: number;
}

/** Answers a request instead of the server; returns whether it did. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean;

export class FakeApiServer {
  readonly nodes = new Map<string, FakeNode>();
  readonly reports: FakeReport[] = [];
  /** Rights that access reviews deny, like `patch nodes/status`. */
  readonly denied = new Set<string>();
  /** Method and path with query of each request. */
  readonly requests: string[] = [];
  intercept: Intercept | undefined;
  /** How long an answer about one node takes. */
  delayMs = 0;
  /** Annotations that writes do not change, as with an admission webhook. */
  readonly dropped = new Set<string>();
  /** Required in Authorization unless empty. */
  token = '';
  readonly #server: Server;
  readonly #watchers = new Set<{ response: ServerResponse; isMetadata: boolean }>();
  #history: Event[] = [];
  #revision = 100;
  /** Events up to this revision are gone. */
  #compacted = 100;
  #uids = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on(
      'request',
      (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response),
    );
  }

  /** @param port - 0 chooses a free one. */
  static async start(port = 0, address = '127.0.0.1'): Promise<FakeApiServer> {
    const server = createServer();
    const fake = new FakeApiServer(server);
    server.listen(port, address);
    await once(server, 'listening');
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  addNode(name: string, podCIDRs: readonly string[] = []): void {
    const uid = `uid-${++this.#uids}`;
    const spec = podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0]!, podCIDRs: [...podCIDRs] };
    this.#put({ metadata: { name, uid, resourceVersion: '' }, spec, status: {} }, 'ADDED');
  }

  assign(name: string, podCIDRs: readonly string[]): void {
    this.#put({ ...this.nodes.get(name)!, spec: { podCIDR: podCIDRs[0]!, podCIDRs: [...podCIDRs] } });
  }

  annotate(name: string, annotations: Readonly<Record<string, string | null>>): void {
    const node = structuredClone(this.nodes.get(name)!);
    node.metadata.annotations = merge(node.metadata.annotations, annotations);
    this.#put(node);
  }

  taint(name: string, keys: readonly string[]): void {
    const node = this.nodes.get(name)!;
    this.#put({
      ...node,
      spec: { ...node.spec, taints: keys.map((key) => ({ key, effect: 'NoSchedule' })) },
    });
  }

  /** As kubelet does: another revision and nothing else. */
  heartbeat(name: string): void {
    this.#put(structuredClone(this.nodes.get(name)!));
  }

  deleteNode(name: string): void {
    const node = structuredClone(this.nodes.get(name)!);
    this.nodes.delete(name);
    node.metadata.resourceVersion = String(++this.#revision);
    this.#emit({ type: 'DELETED', node, revision: this.#revision });
  }

  bookmark(): void {
    for (const { response } of this.#watchers)
      response.write(
        `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.#revision) } } })}\n`,
      );
  }

  /** Forgets history: watches from before end with Expired. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.#revision;
  }

  /** Goes back to an earlier revision, as after a restore. */
  restore(revision: number): void {
    this.#revision = revision;
    this.#compacted = revision;
    this.#history = [];
    this.dropWatches();
  }

  /** Nodes and revision as text, for {@link load}. */
  save(): string {
    return JSON.stringify({ nodes: [...this.nodes.values()], revision: this.#revision });
  }

  load(text: string): void {
    const { nodes, revision } = JSON.parse(text) as { nodes: FakeNode[]; revision: number };
    for (const node of nodes) this.nodes.set(node.metadata.name, node);
    this.#revision = this.#compacted = revision;
    this.#uids = nodes.length * 100;
  }

  dropWatches(): void {
    for (const { response } of this.#watchers) response.destroy();
  }

  endWatches(): void {
    for (const { response } of this.#watchers) response.end();
    this.#watchers.clear();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #put(node: FakeNode, type: 'ADDED' | 'MODIFIED' = 'MODIFIED'): void {
    node.metadata = { ...node.metadata, resourceVersion: String(++this.#revision) };
    this.nodes.set(node.metadata.name, node);
    this.#emit({ type, node, revision: this.#revision });
  }

  #emit(event: Event): void {
    this.#history.push(event);
    for (const { isMetadata, response } of this.#watchers) writeEvent(response, event, isMetadata);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method} ${request.url}`);
    if (this.intercept?.(request, response) === true) return;
    if (this.token !== '' && request.headers.authorization !== `Bearer ${this.token}`)
      return fail(response, 401, 'Unauthorized', 'Unauthorized');
    const url = new URL(request.url!, 'http://fake');
    const name = /^\/api\/v1\/nodes\/([^/]+)(\/status)?$/.exec(url.pathname)?.[1];
    if (url.pathname === '/readyz') return void response.end('ok');
    if (name !== undefined) return this.#answerNode(request, response, decodeURIComponent(name));
    if (url.pathname.endsWith('/selfsubjectaccessreviews')) return this.#review(request, response);
    if (url.pathname === '/api/v1/namespaces/default/events') return this.#report(request, response);
    if (request.method === 'POST' && url.pathname === '/api/v1/nodes') return this.#create(request, response);
    if (url.pathname !== '/api/v1/nodes') return fail(response, 404, 'NotFound', `no ${url.pathname}`);
    const isMetadata = request.headers.accept?.includes('PartialObjectMetadata') === true;
    const asked = Number(url.searchParams.get('resourceVersion') ?? 0);
    if (url.searchParams.get('watch') === '1') return this.#watch(response, asked, isMetadata);
    if (asked > this.#revision) return fail(response, 504, 'Timeout', 'Too large resource version');
    const items = [...this.nodes.values()].map((node) => (isMetadata ? metadataOf(node) : node));
    const list = { kind: 'NodeList', metadata: { resourceVersion: String(this.#revision) }, items };
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end(gzipSync(JSON.stringify(list)));
  }

  async #answerNode(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
    if (this.delayMs > 0) await new Promise((resolve) => void setTimeout(resolve, this.delayMs));
    const node = this.nodes.get(name);
    if (node === undefined) return fail(response, 404, 'NotFound', `nodes "${name}" not found`);
    if (request.method === 'DELETE') this.deleteNode(name);
    if (request.method === 'PATCH') {
      const patch = JSON.parse(await readBody(request)) as {
        metadata?: { uid?: string; resourceVersion?: string; annotations?: Record<string, string | null> };
        spec?: FakeNode['spec'];
        status?: FakeNode['status'];
      };
      if (patch.metadata?.uid !== undefined && patch.metadata.uid !== node.metadata.uid)
        return fail(response, 422, 'Invalid', 'metadata.uid: Invalid value: field is immutable');
      const { resourceVersion = node.metadata.resourceVersion } = patch.metadata ?? {};
      if (resourceVersion !== node.metadata.resourceVersion)
        return fail(response, 409, 'Conflict', 'the object has been modified');
      const next = structuredClone(node);
      const kept = Object.entries(patch.metadata?.annotations ?? {}).filter(
        ([one]) => !this.dropped.has(one),
      );
      next.metadata.annotations = merge(next.metadata.annotations, Object.fromEntries(kept));
      next.spec = { ...next.spec, ...patch.spec };
      if (patch.status?.conditions) next.status = { conditions: patch.status.conditions };
      this.#put(next);
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(this.nodes.get(name) ?? node));
  }

  async #review(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { spec } = JSON.parse(await readBody(request)) as {
      spec: { resourceAttributes: { verb: string; resource: string; subresource?: string } };
    };
    const { resource, subresource, verb } = spec.resourceAttributes;
    const right = `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`;
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ status: { allowed: !this.denied.has(right) } }));
  }

  /** Events by POST, or all of them by GET. */
  async #report(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'POST') this.reports.push(JSON.parse(await readBody(request)) as FakeReport);
    response.writeHead(request.method === 'POST' ? 201 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ items: this.reports }));
  }

  async #create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metadata, spec } = JSON.parse(await readBody(request)) as FakeNode;
    this.addNode(metadata.name, spec?.podCIDRs ?? []);
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify(this.nodes.get(metadata.name)));
  }

  #watch(response: ServerResponse, after: number, isMetadata: boolean): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (after < this.#compacted) {
      response.end(
        `${JSON.stringify({ type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old resource version' } })}\n`,
      );
      return;
    }
    for (const event of this.#history) if (event.revision > after) writeEvent(response, event, isMetadata);
    const watcher = { response, isMetadata };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }
}

function metadataOf({ metadata }: FakeNode): object {
  return { kind: 'PartialObjectMetadata', metadata };
}

function writeEvent(response: ServerResponse, { node, type }: Event, isMetadata: boolean): void {
  response.write(`${JSON.stringify({ type, object: isMetadata ? metadataOf(node) : node })}\n`);
}

function merge(
  before: Readonly<Record<string, string>> = {},
  changes: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const entries = Object.entries({ ...before, ...changes });
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null));
}

function fail(response: ServerResponse, code: number, reason: string, message: string): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', code, reason, message }));
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part as string;
  return text;
}

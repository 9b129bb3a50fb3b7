// Requests of peers to this host: follows their folder, admits, and ends each with its key or its time.
// Costs nothing while none comes; the code that answers is loaded by the first one.
import type { Clock } from '../../lib/clock.ts';
import { FolderFollower } from '../../allocator/registry/folder-follower.ts';
import type { MetaKeys } from '../../allocator/registry/registry.ts';
import type { Logger } from '../log/log.ts';
import type { PeerAnswerV1 } from '../../api/index.ts';
import {
  ANSWERS_FOLDER,
  LIFETIME_SEC,
  parsePeerRequest,
  requestsFolder,
  type PeerRequestV1,
} from './peer-request.ts';
import { admit, OPEN_GATE, release, type GateState } from './request-gate.ts';

/** Answers a request; what it makes exists until `signal` aborts. Never rejects. */
export type AnswerRequest = (
  request: PeerRequestV1,
  answer: (answer: PeerAnswerV1) => Promise<void>,
  signal: AbortSignal,
) => Promise<void>;

export interface RequestInboxOptions {
  readonly registry: Pick<MetaKeys, 'followMeta' | 'writeMeta'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Loads {@link AnswerRequest}. */
  readonly load: () => Promise<AnswerRequest>;
  readonly random: () => number;
}

export class RequestInbox {
  readonly #options: RequestInboxOptions;
  readonly #follower: FolderFollower;
  readonly #running = new Map<string, AbortController>();
  #gate: GateState = OPEN_GATE;

  constructor(options: RequestInboxOptions) {
    this.#options = options;
    const { clock, log, random, registry } = options;
    this.#follower = new FolderFollower({
      registry,
      clock,
      random,
      onChange: (id, text) => this.#receive(id, text),
      onEnd: ({ message }) => log.debug(`Cannot follow requests of peers: ${message}`),
    });
  }

  /** Requests to `nodeId` are answered from now on. */
  follow(nodeId: string): void {
    this.#follower.follow(requestsFolder(nodeId));
  }

  /** Ends what runs. */
  stop(): void {
    const reason = new Error('The daemon was stopped');
    this.#follower.stop();
    for (const running of this.#running.values()) running.abort(reason);
  }

  #receive(id: string, text: string | undefined): void {
    if (text === undefined) return this.#running.get(id)?.abort(new Error('The request has ended'));
    const request = parsePeerRequest(id, text);
    if (request === undefined) return this.#options.log.debug('Ignored an unknown request', { key: id });
    const { state, admission } = admit(this.#gate, this.#options.clock.nowMs());
    this.#gate = state;
    if (admission === 'run') void this.#run(id, request);
    else if (admission === 'busy')
      void this.#answer(id, request, { kind: 'untested', reason: 'it answers another request; try again' });
  }

  async #run(id: string, request: PeerRequestV1): Promise<void> {
    const { clock, load, log } = this.#options;
    const running = new AbortController();
    this.#running.set(id, running);
    const cancel = clock.setTimer(LIFETIME_SEC * 1000, () => running.abort(new Error('Its time is over')));
    log.info('Answering a request of a peer', { kind: request.ask.kind, key: request.from });
    try {
      const answer = await load();
      await answer(request, (document) => this.#answer(id, request, document), running.signal);
    } catch (error) {
      log.warn(`Cannot answer the request of a peer: ${(error as Error).message}`);
    } finally {
      cancel();
      this.#running.delete(id);
      this.#gate = release(this.#gate);
    }
  }

  /** The host that asks may be gone. */
  async #answer(id: string, { leaseId }: PeerRequestV1, answer: PeerAnswerV1): Promise<void> {
    const entry = { key: `${ANSWERS_FOLDER}${id}`, value: JSON.stringify(answer), leaseId };
    await this.#options.registry.writeMeta(entry).catch((error: Error) => {
      this.#options.log.debug(`Cannot write an answer to a peer: ${error.message}`);
    });
  }
}

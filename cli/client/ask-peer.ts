// Asks a peer through the daemon of this host, and keeps what the peer makes for the request until it is
// closed.
import type { AskV1, PeerAnswerV1 } from '../../api/index.ts';
import { RejectedError, type ControlClient } from './control-client.ts';

export type FinalAnswer = Exclude<PeerAnswerV1, { readonly kind: 'accepted' }>;

export interface AskedPeer {
  readonly answer: FinalAnswer;
  /** Ends the request. */
  readonly close: () => void;
}

/** An older daemon of this host cannot ask, which is an answer as well. @throws NoDaemonError */
export async function askPeer(client: ControlClient, body: AskV1, signal?: AbortSignal): Promise<AskedPeer> {
  const ended = new AbortController();
  const either = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
  const close = (): void => ended.abort(new Error('The request has ended'));
  const lines = client.follow<PeerAnswerV1>('ask', { method: 'POST', body, signal: either });
  try {
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true)
        return { answer: { kind: 'untested', reason: 'the daemon of this host ended' }, close };
      if (value.kind !== 'accepted') return { answer: value, close };
    }
  } catch (error) {
    close();
    if (!(error instanceof RejectedError)) throw error;
    const isOld = error.rejection === 'not-found';
    const reason = isOld ? 'the daemon of this host is of an earlier version' : error.message;
    return { answer: { kind: 'untested', reason }, close };
  }
}

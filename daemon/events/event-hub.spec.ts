import assert from 'node:assert/strict';
import { EventHub, type NewEvent } from './event-hub.ts';
import type { EventV1 } from '../../api/index.ts';

function event(message: string): NewEvent {
  return { topic: 'lease', level: 'info', code: 'lease-put', message, fields: {} };
}

async function take(watch: AsyncGenerator<EventV1>, count: number): Promise<string[]> {
  const messages: string[] = [];
  while (messages.length < count) {
    const { value, done } = await watch.next();
    if (done === true) break;
    messages.push(`${value.sequence} ${value.message}`);
  }
  return messages;
}

describe('the event hub', () => {
  it('sends a watcher the requested number of past events, then new ones', async () => {
    const hub = new EventHub();
    for (const message of ['a', 'b', 'c']) hub.publish(event(message));
    const stop = new AbortController();
    const watch = hub.watch(2, stop.signal);
    assert.deepEqual(await take(watch, 2), ['2 b', '3 c']);
    const next = take(watch, 1);
    hub.publish(event('d'));
    assert.deepEqual(await next, ['4 d']);
  });

  it('sends no past events by default', async () => {
    const hub = new EventHub();
    hub.publish(event('a'));
    const next = take(hub.watch(0, new AbortController().signal), 1);
    hub.publish(event('b'));
    assert.deepEqual(await next, ['2 b']);
  });

  it('ends a watch when its signal aborts', async () => {
    const hub = new EventHub();
    const stop = new AbortController();
    const waiting = take(hub.watch(0, stop.signal), 1);
    stop.abort();
    assert.deepEqual(await waiting, []);
  });

  it('keeps the last 256 events', () => {
    const hub = new EventHub();
    for (let count = 0; count < 300; count++) hub.publish(event('x'));
    assert.equal(hub.recent.length, 256);
    assert.equal(hub.recent[0]?.sequence, 45);
  });

  it('leaves a gap in the sequence numbers for a watcher that does not read', async () => {
    const hub = new EventHub();
    const watch = hub.watch(0, new AbortController().signal);
    const first = take(watch, 1);
    for (let count = 0; count < 5000; count++) hub.publish(event('x'));
    assert.deepEqual(await first, ['1 x']);
    assert.equal((await take(watch, 1023)).at(-1), '1024 x');
    const next = take(watch, 1);
    hub.publish(event('y'));
    assert.deepEqual(await next, ['5001 y']);
  });
});

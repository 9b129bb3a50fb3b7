import assert from 'node:assert/strict';
import { EventHub } from '../events/event-hub.ts';
import { EventPublisher } from '../events/event-publisher.ts';
import { badKeysOf } from './bad-keys.ts';

describe('invalid keys', () => {
  it('are counted, and few of them shown', () => {
    const entries = new Map<string, { key: string; reason: string }>();
    for (let index = 0; index < 100_000; index++)
      entries.set(`${index}`, { key: `${index % 10}`.repeat(5000), reason: 'x'.repeat(5000) });
    const { badKeys, badKeyCount } = badKeysOf(entries);
    assert.equal(badKeyCount, 100_000);
    assert.equal(badKeys.length, 20);
    assert.ok(JSON.stringify(badKeys).length < 20_000);
    assert.match(badKeys[1]!.key, /^1{256}… \(5000 characters\)$/);
  });

  it('are shown whole where they are few and short', () => {
    const entry = { key: 'rubbish', reason: '"rubbish" is no subnet key' };
    assert.deepEqual(badKeysOf(new Map([['rubbish', entry]])), { badKeyCount: 1, badKeys: [entry] });
  });

  it('displace no other events', () => {
    const hub = new EventHub();
    const publisher = new EventPublisher(hub);
    publisher.lease({ level: 'info', code: 'lease-created', key: '10.5.1.0-24' });
    for (let index = 0; index < 6200; index++)
      publisher.lease({ level: 'warn', code: 'bad-entry', key: 'x'.repeat(5000), reason: 'rubbish' });
    const events = hub.recent;
    assert.deepEqual([events.length, events[0]!.code], [11, 'lease-created']);
    assert.ok(String(events[1]!.fields['key']).length < 1100);
  });
});

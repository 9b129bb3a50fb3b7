import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { createLogRateLimit } from './log-rate-limit.ts';
import { createLogger } from './log.ts';
import type { LoggerOptions } from './log.ts';
import { Secret } from '../../lib/secret.ts';

const TIME = '2026-11-23T12:00:00.123Z';

function fixture(options: LoggerOptions = {}) {
  const lines: string[] = [];
  const nowMs = (): number => Date.parse(TIME);
  return { lines, log: createLogger({ nowMs, write: (line) => lines.push(line), ...options }) };
}

describe('the logger', () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const cases: readonly [string, unknown, string, unknown][] = [
    ['a single word', 'eth0', 'a=eth0', 'eth0'],
    ['a text with a blank', 'eth0 up', 'a="eth0 up"', 'eth0 up'],
    ['an empty text', '', 'a=""', ''],
    ['an equals sign', 'x=y', 'a="x=y"', 'x=y'],
    ['a line break', 'x\nINFO y', 'a="x\\nINFO y"', 'x\nINFO y'],
    ['an escape sequence', '\u001b[31mred', 'a="\\u001b[31mred"', '\u001b[31mred'],
    ['a right-to-left mark', 'a\u202eb', 'a="a\\u{202e}b"', 'a\u202eb'],
    ['a number', 5, 'a=5', 5],
    ['a big number', 5n, 'a=5', '5'],
    ['null', null, 'a=null', null],
    ['a list', ['x', 1], 'a=["x",1]', ['x', 1]],
    ['an object', { x: { y: 1 } }, 'a={"x":{"y":1}}', { x: { y: 1 } }],
    ['a circle', circle, 'a=[unprintable]', '[unprintable]'],
    ['an error', Object.assign(new Error('no'), { code: 'EPERM' }), 'a="no (EPERM)"', 'no (EPERM)'],
    [
      'an error with causes',
      new Error('a', { cause: new Error('b', { cause: 'c' }) }),
      'a="a: b: c"',
      'a: b: c',
    ],
    ['an error in an object', { e: new Error('no') }, 'a={"e":"no"}', { e: 'no' }],
    [
      'a password by its name',
      { etcdPassword: 'x' },
      'a={"etcdPassword":"[redacted]"}',
      { etcdPassword: '[redacted]' },
    ],
    [
      'a password by its text',
      'login hunter2 failed',
      'a="login [redacted] failed"',
      'login [redacted] failed',
    ],
    ['a password in an error', new Error('bad hunter2'), 'a="bad [redacted]"', 'bad [redacted]'],
    ['a password in a URL', 'http://u:x@h/', 'a=http://[redacted]@h/', 'http://[redacted]@h/'],
    ['a secret', new Secret('swordfish'), 'a=[redacted]', '[redacted]'],
  ];
  for (const [name, value, human, json] of cases)
    it(`prints ${name} in one line in both formats`, () => {
      const text = fixture({ secrets: ['hunter2'] });
      text.log.info('hello', { a: value });
      assert.deepEqual(text.lines, [`${TIME} INFO  hello ${human}\n`]);
      const object = fixture({ secrets: ['hunter2'], format: 'json' });
      object.log.info('hello', { a: value });
      assert.deepEqual(JSON.parse(object.lines[0] ?? ''), {
        time: TIME,
        level: 'info',
        message: 'hello',
        a: json,
      });
      assert.equal(object.lines[0]?.indexOf('\n'), (object.lines[0]?.length ?? 0) - 1);
    });

  it('escapes control characters of a message', () => {
    const { log, lines } = fixture();
    log.error('a\nb\u001b[2J');
    assert.deepEqual(lines, [`${TIME} ERROR a\\nb\\u{1b}[2J\n`]);
  });

  it('truncates long values', () => {
    const { log, lines } = fixture();
    log.info('x', { a: 'y'.repeat(100_000) });
    assert.ok((lines[0]?.length ?? 0) < 5000);
  });

  it('evaluates fields only of lines at or above its level', () => {
    const { log, lines } = fixture({ level: 'warn' });
    log.debug('a', () => assert.fail('made fields'));
    log.info('b', () => assert.fail('made fields'));
    log.warn('c', () => ({ n: 1 }));
    log.error('d');
    assert.deepEqual(
      lines.map((line) => line.slice(25)),
      ['WARN  c n=1\n', 'ERROR d\n'],
    );
    assert.deepEqual([log.isEnabled('info'), log.isEnabled('error')], [false, true]);
  });

  it('passes its fields to child loggers, which may override them', () => {
    const { log, lines } = fixture();
    log.child({ peer: 'a', n: 1 }).child({ n: 2 }).info('x', { m: undefined });
    assert.deepEqual(lines, [`${TIME} INFO  x peer=a n=2\n`]);
  });

  it('does not let a field override time, level or message', () => {
    const { log, lines } = fixture({ format: 'json' });
    log.info('x', { level: 'error', message: 'y', time: 'z' });
    assert.deepEqual(JSON.parse(lines[0] ?? ''), { time: TIME, level: 'info', message: 'x' });
  });

  it('does not throw if the fields function throws', () => {
    const { log, lines } = fixture();
    log.info('x', () => {
      throw new Error('oops');
    });
    assert.match(lines[0] ?? '', /fieldsError=oops/);
  });
});

describe('the log rate limit', () => {
  it('passes one line a minute and counts the others', () => {
    let now = 0;
    const limit = createLogRateLimit({ nowMs: () => now });
    const taken = [];
    for (now of [0, 1, 59_999, 60_000, 60_001, 200_000]) taken.push(limit.take('etcd'));
    assert.deepEqual(taken, [0, undefined, undefined, 2, undefined, 1]);
  });

  it('keeps keys apart and resets them', () => {
    const limit = createLogRateLimit({ nowMs: () => 0 });
    assert.deepEqual([limit.take('a'), limit.take('b'), limit.take('a')], [0, 0, undefined]);
    limit.reset('a');
    assert.equal(limit.take('a'), 0);
  });

  it('evicts the oldest key beyond its limit', () => {
    const limit = createLogRateLimit({ nowMs: () => 0 });
    for (let i = 0; i <= 1000; i++) limit.take(String(i));
    assert.deepEqual([limit.take('1000'), limit.take('0')], [undefined, 0]);
  });
});

describe('Secret', () => {
  it('shows a mask everywhere except through reveal', () => {
    const secret = new Secret('swordfish');
    for (const text of [
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ secret }, { showHidden: true }),
    ])
      assert.doesNotMatch(text, /swordfish/);
    assert.equal(secret.reveal(), 'swordfish');
  });
});

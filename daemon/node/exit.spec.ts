import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { handleCrashes, handleSignals } from './exit.ts';
import type { SignalHandlers } from './exit.ts';
import { createLogger } from '../log/log.ts';

function fixture(handlers: Partial<SignalHandlers> = {}, stopDeadlineMs = 5000) {
  const source = new EventEmitter();
  const ended = new EventEmitter();
  const codes: number[] = [];
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line) });
  const exit = (code: number): void => {
    codes.push(code);
    ended.emit('exit', code);
  };
  const options = { log, exit, source, stopDeadlineMs };
  const remove = handleSignals(
    { onStop: () => Promise.resolve(), onResync: () => undefined, ...handlers },
    options,
  );
  const removeCrashes = handleCrashes(options);
  const nextExit = async (): Promise<unknown> => (await once(ended, 'exit'))[0];
  return { source, codes, lines, nextExit, remove, removeCrashes };
}

describe('signals', () => {
  for (const signal of ['SIGTERM', 'SIGINT'])
    it(`${signal} stops and exits with 0`, async () => {
      const stopped: string[] = [];
      const onStop = async (name: string): Promise<void> => void stopped.push(name);
      const { source, nextExit } = fixture({ onStop });
      const exit = nextExit();
      source.emit(signal, signal);
      assert.equal(await exit, 0);
      assert.deepEqual(stopped, [signal]);
    });

  it('a second one exits with 1 at once, and stopping is asked for once', () => {
    let stops = 0;
    const { source, codes } = fixture({ onStop: () => (stops++, new Promise(() => undefined)) }, 500);
    source.emit('SIGTERM', 'SIGTERM');
    assert.deepEqual(codes, []);
    source.emit('SIGINT', 'SIGINT');
    assert.deepEqual([codes, stops], [[1], 1]);
  });

  it('a stop that takes too long is forced, with 1', async () => {
    const { source, nextExit, lines } = fixture({ onStop: () => new Promise(() => undefined) }, 1);
    const exit = nextExit();
    source.emit('SIGTERM', 'SIGTERM');
    assert.equal(await exit, 1);
    assert.match(lines.at(-1) ?? '', /took longer than 1 ms/);
  });

  it('a stop that fails exits with 1 and says why', async () => {
    const { source, nextExit, lines } = fixture({ onStop: () => Promise.reject(new Error('stuck')) });
    const exit = nextExit();
    source.emit('SIGTERM', 'SIGTERM');
    assert.equal(await exit, 1);
    assert.match(lines.at(-1) ?? '', /Stopping failed: stuck/);
  });

  it('SIGHUP asks for a full read, and the daemon lives', () => {
    let resyncs = 0;
    const { source, codes } = fixture({ onResync: () => void resyncs++ });
    source.emit('SIGHUP', 'SIGHUP');
    assert.deepEqual([resyncs, codes], [1, []]);
  });

  it('are handled no longer once removed', () => {
    const { source, remove, removeCrashes } = fixture();
    remove();
    removeCrashes();
    assert.deepEqual(source.eventNames(), []);
  });
});

describe('crashes', () => {
  for (const event of ['uncaughtException', 'unhandledRejection'])
    it(`${event} is one line with the code, and exit code 1`, () => {
      const { source, codes, lines } = fixture();
      source.emit(event, Object.assign(new Error('bang\nbang'), { code: 'EWEFT' }));
      assert.deepEqual(codes, [1]);
      assert.match(lines[0] ?? '', /^\S+ ERROR Unexpected error: bang\\nbang \(EWEFT\)\n$/);
    });
});

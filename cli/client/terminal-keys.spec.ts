import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { TerminalKeys, type KeySource } from './terminal-keys.ts';

class FakeTerminal extends EventEmitter {
  readonly isTTY: boolean;
  readonly modes: boolean[] = [];
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  setRawMode(isRaw: boolean): this {
    this.modes.push(isRaw);
    return this;
  }
  pause(): this {
    return this;
  }
  resume(): this {
    return this;
  }
}

describe('keys of the terminal', () => {
  it('reach the command, and q ends its pause at once', async () => {
    const terminal = new FakeTerminal(true);
    const pressed: string[] = [];
    const keys = new TerminalKeys((key) => void pressed.push(key), terminal as unknown as KeySource, {
      isTTY: true,
    });
    const ended = keys.pause(60_000);
    terminal.emit('data', Buffer.from('s?q'));
    assert.equal(await ended, true);
    assert.equal(await keys.pause(60_000), true);
    keys.close();
    assert.deepEqual(
      [pressed, terminal.modes, terminal.listenerCount('data')],
      [['s', '?'], [true, false], 0],
    );
  });

  it('are none without a terminal', async () => {
    for (const [input, output] of [
      [false, true],
      [true, false],
    ] as const) {
      const terminal = new FakeTerminal(input);
      const keys = new TerminalKeys(assert.fail, terminal as unknown as KeySource, { isTTY: output });
      assert.equal(await keys.pause(1), false);
      keys.close();
      assert.deepEqual(terminal.modes, []);
    }
  });
});

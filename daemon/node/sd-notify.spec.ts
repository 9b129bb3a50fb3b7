import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createLogger } from '../log/log.ts';
import { createSdNotify } from './sd-notify.ts';
import type { SdNotifyOptions } from './sd-notify.ts';

function fixture(env: Record<string, string>, more: Partial<SdNotifyOptions> = {}) {
  const sent: string[] = [];
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line) });
  const sendDatagram = (path: string, text: string): void => void sent.push(`${path} ${text}`);
  return { sent, lines, sd: createSdNotify({ env, log, sendDatagram, pid: 42, ...more }) };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'waited for 5 s');
    await wait(1);
  }
}

describe('sd_notify', () => {
  it('sends nothing without a socket', () => {
    const { sd, sent } = fixture({ WATCHDOG_USEC: '1000' });
    sd.ready('x');
    sd.startWatchdog(() => true);
    sd.stopping();
    sd.stop();
    assert.deepEqual(sent, []);
  });

  it('sends ready, status and stopping, one assignment a line', () => {
    const { sd, sent } = fixture({ NOTIFY_SOCKET: '@s' });
    sd.status('waiting for etcd');
    sd.ready('2 peers');
    sd.status('2 peers');
    sd.status('3 peers\nREADY=0');
    sd.stopping();
    assert.deepEqual(sent, [
      '@s STATUS=waiting for etcd',
      '@s READY=1\nSTATUS=2 peers',
      '@s STATUS=3 peers READY=0',
      '@s STOPPING=1\nSTATUS=Stopping',
    ]);
  });

  it('notifies of the begin and end of a reload, also with the same status', () => {
    const { sd, sent } = fixture({ NOTIFY_SOCKET: '@s' });
    sd.ready('2 peers');
    sd.reloading();
    sd.ready('2 peers');
    assert.match(sent[1]!, /^@s RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=Reading everything again$/);
    assert.equal(sent[2], '@s READY=1\nSTATUS=2 peers');
  });

  it('beats for the watchdog while healthy', async () => {
    const { sd, sent } = fixture({ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '2000', WATCHDOG_PID: '42' });
    let isHealthy = true;
    sd.startWatchdog(() => isHealthy);
    await until(() => sent.length >= 3);
    isHealthy = false;
    const count = sent.length;
    let asked = 0;
    await until(() => ++asked > 10);
    assert.equal(sent.length, count);
    sd.stop();
    assert.ok(sent.every((text) => text === '/s WATCHDOG=1'));
  });

  for (const env of [
    { WATCHDOG_USEC: '2000', WATCHDOG_PID: '41' },
    { WATCHDOG_USEC: '0' },
    { WATCHDOG_USEC: 'x' },
    {},
  ])
    it(`does not beat with ${JSON.stringify(env)}`, () => {
      const { sd, sent } = fixture({ NOTIFY_SOCKET: '/s', ...env });
      sd.startWatchdog(() => true);
      sd.stop();
      assert.deepEqual(sent, []);
    });

  /** WATCHDOG_USEC, and milliseconds between two signs of life: half of it, so that one may be late. */
  const INTERVALS: readonly (readonly [usec: string, intervalMs: number])[] = [
    ['30000000', 15_000],
    ['60000000', 30_000],
    ['60001000', 30_000],
    ['2000', 1],
    ['1999', 1],
    ['1', 1],
    // setInterval takes more than 2^31-1 for 1.
    ['999999999999999', 2 ** 31 - 1],
  ];
  for (const [usec, intervalMs] of INTERVALS)
    it(`beats every ${intervalMs} ms for WATCHDOG_USEC=${usec}, and at once`, () => {
      const { setInterval, clearInterval } = globalThis;
      const timers: {
        readonly callback: () => void;
        readonly ms: number;
        isCleared: boolean;
        isUnref: boolean;
      }[] = [];
      const fake = {
        setInterval: (callback: () => void, ms: number) => {
          const timer = {
            callback,
            ms,
            isCleared: false,
            isUnref: false,
            unref: () => ((timer.isUnref = true), timer),
          };
          timers.push(timer);
          return timer;
        },
        clearInterval: (timer: { isCleared: boolean }) => (timer.isCleared = true),
      };
      Object.assign(globalThis, fake);
      try {
        const { sd, sent } = fixture({ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: usec });
        let isHealthy = true;
        sd.startWatchdog(() => isHealthy);
        sd.startWatchdog(() => isHealthy);
        assert.deepEqual(
          timers.map(({ ms, isUnref }) => [ms, isUnref]),
          [[intervalMs, true]],
        );
        assert.equal(sent.length, 1);
        timers[0]!.callback();
        isHealthy = false;
        timers[0]!.callback();
        assert.deepEqual(sent, ['/s WATCHDOG=1', '/s WATCHDOG=1']);
        sd.stop();
        assert.ok(timers[0]!.isCleared);
      } finally {
        Object.assign(globalThis, { setInterval, clearInterval });
      }
    });

  it('does not beat for another process, and beats without a process named', () => {
    for (const [env, count] of [
      [{ WATCHDOG_PID: '41' }, 0],
      [{ WATCHDOG_PID: '42' }, 1],
      [{ WATCHDOG_PID: '' }, 1],
      [{}, 1],
    ] as const) {
      const { sd, sent } = fixture({ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '60000000', ...env });
      sd.startWatchdog(() => true);
      sd.stop();
      assert.equal(sent.length, count, JSON.stringify(env));
    }
  });

  it('logs a datagram that was not sent', () => {
    const { sd, lines } = fixture({ NOTIFY_SOCKET: '/s' }, { sendDatagram: () => false });
    sd.ready('a');
    sd.ready('b');
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /Cannot notify systemd.*not sent/);
  });

  it('logs a failure once', () => {
    const sendDatagram = (): never => {
      throw Object.assign(new Error('sendto'), { code: 'ENOENT' });
    };
    const { sd, lines } = fixture({ NOTIFY_SOCKET: '/s' }, { sendDatagram });
    sd.ready('a');
    sd.status('b');
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /WARN.*systemd.*socket=\/s error="sendto \(ENOENT\)"/);
  });

  it('runs the command in order without the addon, and logs its failure once', async () => {
    const calls: string[] = [];
    const runCommand = async (args: readonly string[]): Promise<void> => {
      await wait(calls.length === 0 ? 2 : 0);
      calls.push(args.join(' '));
      throw new Error('no systemd-notify');
    };
    const { sd, lines } = fixture({ NOTIFY_SOCKET: '/s' }, { sendDatagram: undefined, runCommand });
    sd.ready('a');
    sd.stopping();
    await until(() => calls.length === 2);
    assert.deepEqual(calls, ['READY=1 STATUS=a', 'STOPPING=1 STATUS=Stopping']);
    await until(() => lines.length > 0);
    assert.equal(lines.length, 1);
  });

  describe('by systemd-notify', () => {
    const { PATH } = process.env;
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'weft-notify-'));
      Object.assign(process.env, { PATH: `${folder}:${PATH}`, WEFT_SECRET: 'secret' });
    });
    afterEach(() => {
      Object.assign(process.env, { PATH });
      delete process.env['WEFT_SECRET'];
      rmSync(folder, { recursive: true });
    });
    const install = (exitCode: number): void => {
      const script = `#!/bin/sh\necho "$NOTIFY_SOCKET|$WEFT_SECRET|$*" >>${folder}/calls\nexit ${exitCode}\n`;
      writeFileSync(join(folder, 'systemd-notify'), script, { mode: 0o755 });
    };
    const calls = (): string =>
      existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8') : '';

    it('passes on the socket, the process and the lines alone, in order', async () => {
      install(0);
      const { sd, lines } = fixture({ NOTIFY_SOCKET: '/s' }, { sendDatagram: undefined });
      sd.ready('a');
      sd.status('b');
      await until(() => calls().endsWith('=b\n'));
      assert.equal(calls(), '/s||--pid=42 READY=1 STATUS=a\n/s||--pid=42 STATUS=b\n');
      assert.deepEqual(lines, []);
    });

    it('logs that it failed', async () => {
      install(1);
      const { sd, lines } = fixture({ NOTIFY_SOCKET: '/s' }, { sendDatagram: undefined });
      sd.ready('a');
      await until(() => lines.length > 0);
      assert.match(lines[0] ?? '', /Cannot notify systemd/);
    });
  });
});

// What systemd hears from the real daemon through a real socket, by path and in the abstract namespace.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { Lab } from '../lab/lab.ts';
import { waitFor } from '../lab/wait.ts';
import { useLab } from './support/lab-suite.ts';

const WAIT_MS = 15_000;
const CONFIG_KEY = '/coreos.com/network/config';

/** A service manager: its socket, and the texts that came, each as one datagram. */
class Manager {
  readonly #lab: Lab;
  readonly #log: string;
  /** Value of NOTIFY_SOCKET. */
  readonly socket: string;
  #pids: string[] = [];

  constructor(lab: Lab, socket: string) {
    this.#lab = lab;
    this.socket = socket;
    this.#log = `/run/notify-${socket.replaceAll(/\W/g, '-')}`;
  }

  async start(): Promise<void> {
    const address = this.socket.startsWith('@')
      ? `ABSTRACT-RECV:${this.socket.slice(1)}`
      : `UNIX-RECV:${this.socket},mode=600`;
    await this.#spawn(`exec socat -u -x ${address} OPEN:/dev/null 2>${this.#log}`);
    const isThere = async () =>
      (await this.#lab.exec('h1', ['sh', '-c', `ss -Hxl | grep -q '${this.socket}'`])).code === 0;
    await waitFor(`${this.socket} to be there`, isThere, WAIT_MS);
  }

  /** Starts the daemon as systemd would; resolves with its process id in the lab. */
  startDaemon(environment: string): Promise<string> {
    const args = this.#lab.daemonCommand('h1', []).map((arg) => `'${arg}'`);
    const command = `env NOTIFY_SOCKET=${this.socket} ${environment} ${args.join(' ')}`;
    return this.#spawn(`exec ${command} >>/run/daemon.log 2>&1`);
  }

  async heard(): Promise<string[]> {
    const dump = await readFile(`/proc/${this.#lab.sandbox.pid}/root${this.#log}`, 'utf8');
    const datagrams = dump.split(/^> .*\n/m).slice(1);
    return datagrams.map((hex) => Buffer.from(hex.replaceAll(/[^0-9a-f]/g, ''), 'hex').toString());
  }

  /** Resolves with all that came once `isEnough` of it. */
  async waitUntil(what: string, isEnough: (heard: readonly string[]) => boolean): Promise<string[]> {
    await waitFor(what, async () => isEnough(await this.heard()), WAIT_MS);
    return this.heard();
  }

  async stop(): Promise<void> {
    for (const pid of this.#pids) await this.#lab.exec('h1', ['kill', '-KILL', pid]);
  }

  async #spawn(script: string): Promise<string> {
    const background = `sh -c "$0" </dev/null >/dev/null 2>&1 & echo $!`;
    const pid = (await this.#lab.check('h1', ['sh', '-c', background, script])).trim();
    this.#pids.push(pid);
    return pid;
  }
}

const isReady = (heard: readonly string[]) => heard.some((text) => /^READY=1$/m.test(text));
const isStopping = (heard: readonly string[]) => heard.some((text) => /^STOPPING=1$/m.test(text));
const beats = (heard: readonly string[]) => heard.filter((text) => text === 'WATCHDOG=1').length;

describe('sd_notify from the daemon', () => {
  const lab = useLab({
    hosts: 1,
    bare: ['h1'],
    config: '{"Network":"10.5.0.0/16","Backend":{"Type":"alloc"}}',
  });
  let manager: Manager;
  afterEach(() => manager.stop());

  for (const socket of ['/run/notify.sock', '@weft/notify'])
    it(`notifies ${socket} of its wait, its readiness after it, and its stop`, async () => {
      manager = new Manager(lab(), socket);
      const config = await lab().etcdctl(['get', '--print-value-only', CONFIG_KEY]);
      await lab().etcdctl(['del', CONFIG_KEY]);
      await manager.start();
      const pid = await manager.startDaemon('WATCHDOG_USEC=');
      const waiting = await manager.waitUntil('the config to be missed', (heard) =>
        heard.includes('STATUS=waiting for the network config'),
      );
      assert.equal(waiting[0], 'STATUS=waiting for the registry');
      assert.equal(isReady(waiting), false);
      await lab().putConfig(config);
      const ready = await manager.waitUntil('READY=1', isReady);
      assert.match(ready.at(-1)!, /^READY=1\nSTATUS=10\.5\.\d+\.0\/24, 0 peers programmed$/);
      await lab().check('h1', ['kill', '-TERM', pid]);
      const all = await manager.waitUntil('STOPPING=1', isStopping);
      assert.equal(all.at(-1), 'STOPPING=1\nSTATUS=Stopping');
      assert.equal(all.filter((text) => text.startsWith('READY=1')).length, 1);
      assert.equal(beats(all), 0);
    });

  it('sends watchdog notifications from before it is ready until it stops', async () => {
    manager = new Manager(lab(), '/run/watchdog.sock');
    await manager.start();
    const pid = await manager.startDaemon('WATCHDOG_USEC=100000 WATCHDOG_PID=$$');
    const heard = await manager.waitUntil(
      'five watchdog notifications',
      (texts) => beats(texts) >= 5 && isReady(texts),
    );
    assert.ok(heard.indexOf('WATCHDOG=1') < heard.findIndex((text) => text.startsWith('READY=1')));
    await lab().check('h1', ['kill', '-TERM', pid]);
    assert.match((await manager.waitUntil('STOPPING=1', isStopping)).at(-1)!, /^STOPPING=1/);
  });

  it('gives none if the watchdog waits for another process', async () => {
    manager = new Manager(lab(), '/run/other.sock');
    await manager.start();
    await manager.startDaemon('WATCHDOG_USEC=1000 WATCHDOG_PID=1');
    assert.equal(beats(await manager.waitUntil('READY=1', isReady)), 0);
  });
});

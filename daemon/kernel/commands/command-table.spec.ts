import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandObject } from '../../../backends/kernel-state.ts';
import { CommandTable, type CommandRun, type CommandStep } from './command-table.ts';

describe('the table of commands', () => {
  let folder: string;
  let runs: CommandRun[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-commands-'));
    runs = [];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const table = (boot = 'boot', timeoutMs = 1500, triesOnce = false): CommandTable =>
    new CommandTable({
      path: join(folder, 'run', 'commands'),
      boot: () => Promise.resolve(boot),
      onRun: (run) => runs.push(run),
      timeoutMs,
      triesOnce,
    });
  const peer = (number: number, changes: Partial<CommandObject> = {}): CommandObject => ({
    kind: 'command',
    subject: `10.5.${number}.0/24`,
    addCommand: `echo add $SUBNET $PUBLIC_IP "$(cat)" >> ${folder}/log`,
    removeCommand: `echo remove $SUBNET $PUBLIC_IP >> ${folder}/log`,
    isShell: true,
    environment: `SUBNET=10.5.${number}.0/24\nPUBLIC_IP=10.9.0.${number}`,
    input: 'data\n',
    ...changes,
  });
  const host = (changes: Partial<CommandObject> = {}): CommandObject =>
    peer(0, { subject: 'host', environment: 'SUBNET=host', ...changes });
  const set = (object: CommandObject): CommandStep => ({ action: 'set', object });
  const remove = (object: CommandObject): CommandStep => ({ action: 'remove', object });
  const log = (): readonly string[] => readFileSync(join(folder, 'log'), 'utf8').trim().split('\n');
  const statuses = async (of: CommandTable, ...steps: CommandStep[]): Promise<readonly string[]> =>
    (await of.apply(steps)).map((result) => (result.status === 'done' ? 'done' : result.message));

  it('runs the command of a peer with its values and its input', async () => {
    assert.deepEqual(await statuses(table(), set(peer(2))), ['done']);
    assert.deepEqual(log(), ['add 10.5.2.0/24 10.9.0.2 data']);
  });

  it('runs nothing again after a restart, and removes what ran before it', async () => {
    await table().apply([set(peer(2))]);
    const next = table();
    assert.deepEqual(await next.list(), [peer(2)]);
    await next.apply([set(peer(2)), remove(peer(2))]);
    assert.deepEqual(await next.list(), []);
    await table().apply([remove(peer(2))]);
    assert.deepEqual(log(), ['add 10.5.2.0/24 10.9.0.2 data', 'remove 10.5.2.0/24 10.9.0.2']);
  });

  it('runs commands again after a boot', async () => {
    await table().apply([set(peer(2))]);
    const next = table('another boot');
    assert.deepEqual(await next.list(), [{ ...peer(2), mismatch: 'not ended' }]);
    await next.apply([set(peer(2))]);
    assert.equal(log().length, 2);
  });

  it('removes what it made for former values before it adds the new ones', async () => {
    const commands = table();
    await commands.apply([set(peer(2))]);
    await commands.apply([set(peer(2, { environment: 'SUBNET=10.5.2.0/24\nPUBLIC_IP=10.9.0.9' }))]);
    assert.deepEqual(log().slice(1), ['remove 10.5.2.0/24 10.9.0.2', 'add 10.5.2.0/24 10.9.0.9 data']);
  });

  it('takes over another removal without a run', async () => {
    const commands = table();
    await commands.apply([set(peer(2))]);
    await commands.apply([set(peer(2, { removeCommand: `echo other >> ${folder}/log` }))]);
    assert.equal(log().length, 1);
    await commands.apply([remove(peer(2))]);
    assert.deepEqual(log().slice(1), ['other']);
  });

  it('fails the peer of a failed command alone, with the end of the output as one line', async () => {
    const bad = peer(3, { addCommand: String.raw`printf 'no\n\033[31mroute'; exit 3` });
    assert.deepEqual(await statuses(table(), set(bad), set(peer(2))), [
      String.raw`SubnetAddCommand ended with code 3: no\n\u{1b}[31mroute`,
      'done',
    ]);
    assert.deepEqual(await table().list(), [{ ...bad, mismatch: 'not ended' }, peer(2)]);
  });

  it('ends a command that takes too long, with its children', async () => {
    const slow = peer(2, { addCommand: 'sleep 60 & wait' });
    const [message] = await statuses(table('boot', 100), set(slow));
    assert.match(message!, /^SubnetAddCommand took longer than 0.1 s and was terminated/);
  });

  it('runs the command of the host before those of peers, and its removal after theirs', async () => {
    const commands = table();
    const [up, down] = [`echo up >> ${folder}/log`, `echo down >> ${folder}/log`];
    const own = host({ addCommand: up, removeCommand: down });
    await commands.apply([set(peer(2)), set(own)]);
    await commands.apply([remove(own), remove(peer(2))]);
    assert.deepEqual(log(), ['up', 'add 10.5.2.0/24 10.9.0.2 data', 'remove 10.5.2.0/24 10.9.0.2', 'down']);
  });

  it('tries a removal that fails again, and gives it up in the end', async () => {
    const commands = table();
    const bad = peer(2, { removeCommand: 'exit 1' });
    await commands.apply([set(bad)]);
    const ends = [];
    for (let run = 0; run < 6; run++) ends.push(...(await statuses(commands, remove(bad))));
    const failure = 'SubnetRemoveCommand ended with code 1';
    assert.deepEqual(ends, [failure, failure, failure, failure, 'done', 'done']);
    assert.deepEqual(
      runs.slice(1).map(({ isRepeated }) => isRepeated),
      [false, true, true, true, true],
    );
  });

  it('runs the removal of the host once those of peers that failed are done or given up', async () => {
    const commands = table();
    const bad = peer(2, { removeCommand: `echo try >> ${folder}/log; exit 1` });
    const own = host({ addCommand: '', removeCommand: `echo down >> ${folder}/log` });
    await commands.apply([set(own), set(bad)]);
    const waits =
      'ShutdownCommand waits until the SubnetRemoveCommand of 10.5.2.0/24 has ended or is given up';
    assert.deepEqual(await statuses(commands, remove(own)), [waits]);
    assert.equal((await statuses(commands, remove(own), remove(bad)))[0], waits);
    assert.deepEqual(await statuses(table(), remove(own)), [waits]);
    for (let run = 0; run < 4; run++) await commands.apply([remove(bad)]);
    assert.deepEqual(await statuses(commands, remove(own)), ['done']);
    assert.deepEqual(log().slice(1), ['try', 'try', 'try', 'try', 'try', 'down']);
  });

  it('waits for no other try where there is none', async () => {
    const bad = peer(2, { removeCommand: 'exit 1' });
    const own = host({ addCommand: '', removeCommand: `echo down >> ${folder}/log` });
    await table().apply([set(own), set(bad)]);
    const ends = await statuses(table('boot', undefined, true), remove(bad), remove(own));
    assert.deepEqual(ends, ['SubnetRemoveCommand ended with code 1', 'done']);
    assert.equal(log().at(-1), 'down');
  });

  it('adds again after a removal that failed', async () => {
    const commands = table();
    const half = peer(2, { removeCommand: 'exit 1' });
    await commands.apply([set(half)]);
    await commands.apply([remove(half)]);
    await commands.apply([set(half)]);
    assert.equal(log().length, 2);
  });

  it('runs the command before the lease once, until the host leaves', async () => {
    const startup = host({ subject: 'startup', addCommand: `echo ran >> ${folder}/log; echo id-7` });
    const printed = { ok: true, output: 'id-7' };
    assert.deepEqual(await table().runStartup(startup), printed);
    const next = table();
    assert.deepEqual(await next.runStartup(startup), printed);
    assert.equal(log().length, 1);
    await next.apply([set(host({ addCommand: '' })), remove(host())]);
    await next.runStartup(startup);
    assert.equal(log().filter((line) => line === 'ran').length, 2);
  });

  it('reports a folder that it cannot write', async () => {
    writeFileSync(join(folder, 'file'), '');
    const commands = new CommandTable({
      path: join(folder, 'file', 'commands'),
      boot: () => Promise.resolve('boot'),
      onRun: () => undefined,
    });
    const [message] = await statuses(commands, set(peer(2)));
    assert.match(message!, /^Cannot record commands in .*commands: E(?:NOTDIR|EXIST)/);
  });
});

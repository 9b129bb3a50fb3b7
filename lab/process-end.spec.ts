import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { hasEnded } from './process-end.ts';
import { waitFor } from './wait.ts';

/** Its first thread ends; the other one goes on. */
const SOURCE = `
#include <pthread.h>
#include <unistd.h>
static void *stay(void *unused) { pause(); return unused; }
int main(void) {
  pthread_t thread;
  pthread_create(&thread, 0, stay, 0);
  pthread_exit(0);
}`;

describe('the end of a process', () => {
  let folder: string;
  let child: ChildProcess;
  const proc = (): string => `/proc/${child.pid}`;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-process-end-'));
    const program = join(folder, 'program');
    execFileSync('cc', ['-pthread', '-x', 'c', '-o', program, '-'], { input: SOURCE });
    child = spawn(program);
  });
  after(() => rm(folder, { recursive: true }));

  it('is not that of its first thread', async () => {
    await waitFor('a zombie', async () => /^State:\s+Z/m.test(await readFile(`${proc()}/status`, 'utf8')));
    assert.equal(await hasEnded(proc()), false);
  });

  it('comes with its last thread, and is seen once nothing of it is left', async () => {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await waitFor('its end', () => hasEnded(proc()));
    await exit;
    assert.equal(await hasEnded(proc()), true);
  });
});

// The packet path's own threads under checkers: data races, memory errors, undefined behaviour, leaks. The program is
// native/test/live-path.c, with real TUN devices and sockets in a namespace of its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../lab/package-root.ts';

const run = promisify(execFile);
/** Open and close cycles; an hour's worth with PATH_CYCLES=100000. */
const CYCLES = process.env['PATH_CYCLES'] ?? '100';

describe('packet path under checkers', function () {
  this.timeout(600_000);
  const root = packageRoot();
  // Not the private folder for temporary files, which the namespaces below do not see.
  const folder = join(root, '.build/live-path');

  before(() => mkdirSync(folder, { recursive: true }));

  async function build(name: string, flags: readonly string[]): Promise<string> {
    const program = join(folder, name);
    const folders = ['packet', 'route', 'bpf', 'probe', 'path'].map((part) => `native/${part}`);
    const sources = folders.flatMap((from) => readdirSync(join(root, from)).map((file) => `${from}/${file}`));
    const files = ['native/test/live-path.c', ...sources.filter((file) => file.endsWith('.c'))];
    const options = ['-Inative', '-std=c11', '-D_GNU_SOURCE', '-g', '-O1', '-pthread', ...flags];
    await run('cc', [...options, '-o', program, ...files], { cwd: root });
    return program;
  }

  /** Rejects with the checker's report if it finds anything. */
  function runAlone(...command: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    return run('sh', ['test/in-namespaces.sh', ...command], { cwd: root });
  }

  for (const [name, flags] of [
    ['thread sanitizer', ['-fsanitize=thread']],
    [
      'address and undefined-behaviour sanitizers',
      ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
    ],
  ] as const)
    it(`${name}: packets in both directions through two workers while routes change`, async () => {
      const program = await build(flags[0].replaceAll(/\W/g, ''), flags);
      const { stderr } = await runAlone(program, 'traffic', '3000');
      assert.equal(stderr, '');
    });

  it('valgrind: nothing is left when it ends', async () => {
    const program = await build('plain', []);
    const { stderr } = await runAlone(
      'valgrind',
      '--quiet',
      // Else the thread that changes routes without a pause keeps all others from running.
      '--fair-sched=yes',
      '--error-exitcode=3',
      '--leak-check=full',
      '--show-leak-kinds=all',
      program,
      'traffic',
      '100',
    );
    assert.equal(stderr, '');
  });

  it(`opened and closed ${CYCLES} times: no memory, thread or descriptor is left`, async () => {
    const program = await build('cycles', ['-fsanitize=address']);
    const { stderr } = await runAlone(program, 'cycles', CYCLES);
    assert.equal(stderr, '');
  });
});

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runByNode, runTool, type RunTool, type ToolLimits } from './run-tool.ts';

const LIMITS: ToolLimits = { timeoutMs: 1500, maxOutputBytes: 1 << 20 };

const RUNNERS: Readonly<Record<string, RunTool>> = { 'by the addon': runTool, 'by Node': runByNode };
for (const [title, run] of Object.entries(RUNNERS))
  describe(`a tool, run ${title}`, () => {
    const shell = (script: string, input = '', limits = LIMITS) => run('sh', ['-c', script], input, limits);

    it('gets input and arguments, and its output and code are read', async () => {
      const output = await run('sh', ['-c', 'cat; echo "$1" >&2; exit 3', 'sh', 'a b'], 'text\n', LIMITS);
      assert.deepEqual(output, { code: 3, stdout: 'text\n', stderr: 'a b\n' });
    });

    it('may exchange more than pipes hold', async () => {
      const input = 'x'.repeat(500_000);
      assert.equal((await shell('cat', input)).stdout, input);
      assert.equal((await shell('exec <&-; echo done', input)).stdout, 'done\n');
    });

    it('does not exist', async () => {
      assert.deepEqual(await run('weft-no-such-tool', [], '', LIMITS), { code: 127, stdout: '', stderr: '' });
      assert.equal((await run('/no/such/tool', [], '', LIMITS)).code, 127);
    });

    it('cannot start', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'weft-tool-'));
      const file = join(folder, 'tool');
      writeFileSync(file, '#!/no/such/interpreter\n');
      chmodSync(file, 0o755);
      assert.ok([124, 127].includes((await run(file, [], '', LIMITS)).code));
      rmSync(folder, { recursive: true });
    });

    it('is killed after a time-out and after too much output', async () => {
      assert.equal((await shell('exec sleep 60', '', { ...LIMITS, timeoutMs: 50 })).code, 124);
      assert.equal((await shell('exec yes', '', { ...LIMITS, maxOutputBytes: 1000 })).code, 124);
    });

    it('is killed after a time-out where it has closed its output', async () => {
      const closed = 'exec >&- 2>&-; exec sleep 60';
      assert.equal((await shell(closed, '', { ...LIMITS, timeoutMs: 100 })).code, 124);
      assert.equal((await shell('exec >&- 2>&-; sleep 0.1; exit 3')).code, 3);
    });

    it('ends with its signal, before it starts as well', async () => {
      const running = new AbortController();
      const output = shell('exec sleep 60', '', { ...LIMITS, timeoutMs: 60_000, signal: running.signal });
      setTimeout(() => running.abort(), 20);
      assert.equal((await output).code, 124);
      const limits = { ...LIMITS, timeoutMs: 60_000, signal: AbortSignal.abort() };
      assert.equal((await shell('exec sleep 60', '', limits)).code, 124);
    });

    it('that a signal ended has no exit code', async () => {
      assert.equal((await shell('kill -9 $$')).code, 124);
    });

    it('finds programs of sbin, and its messages are in English', async () => {
      const { stdout } = await shell('echo "$PATH $LC_ALL"');
      assert.match(stdout, /:\/usr\/sbin:\/sbin C\n$/);
    });

    it('has no signal ignored, as SIGPIPE is here', async () => {
      const { stdout } = await shell('grep SigIgn /proc/self/status');
      // glibc keeps its own two, 32 and 33, from programs that it spawns, once they are in use.
      assert.match(stdout, /^SigIgn:\s+0{7}[01][08]0{7}\n$/);
    });

    it('runs beside others', async () => {
      const all = await Promise.all(
        Array.from({ length: 12 }, (_, index) => shell(`sleep 0.1; echo ${index}`)),
      );
      assert.deepEqual(
        all.map(({ stdout }) => stdout.trim()),
        all.map((_, index) => String(index)),
      );
    });
  });

// The commands of the documentation, run as a reader would: each page with a `runnable` comment has its ```console run```
// blocks executed in order, and what they print compared with what the page shows.
//
//   <!-- runnable
//   needs: kube-apiserver                 a program that not every machine has: make test-kube runs the page
//   setup: weft lab up --hosts 2          once, before the first command
//   env: NAME=value                       for every command
//   in: weft lab exec h1 --               every command runs in there
//   cleanup: weft lab down                once, at the end
//   -->
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';
import { commandsOf, matchesOutput } from './lint/markdown.ts';

/** One command may boot a cluster. */
const COMMAND_TIMEOUT_MS = 120_000;

interface Settings {
  readonly needs?: string;
  readonly setup?: string;
  readonly env?: string;
  readonly in?: string;
  readonly cleanup?: string;
}

function settingsOf(page: string): Settings | undefined {
  const comment = /<!-- runnable\n([\s\S]*?)-->/.exec(page)?.[1];
  if (comment === undefined) return undefined;
  return Object.fromEntries([...comment.matchAll(/^(\w+): (.*)$/gm)].map(([, name, value]) => [name, value]));
}

interface PageSelection {
  /** As pages name it; unset for pages that need no more than a lab. */
  readonly needs?: string;
  /** Fewer are a mistake of the selection. */
  readonly atLeast: number;
}

/** Declares a test for each command of the pages selected. */
export function describePages({ atLeast, needs }: PageSelection): void {
  const docs = join(packageRoot(), 'docs');
  const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => ({ file, text: readFileSync(join(docs, file), 'utf8') }))
    .map((page) => ({ ...page, settings: settingsOf(page.text) }))
    .filter(({ settings }) => settings !== undefined && settings.needs === needs);

  it('are there', () => assert.ok(pages.length >= atLeast, `only ${pages.length} pages can be run`));

  for (const { file, text, settings } of pages)
    describe(file, () => {
      const home = mkdtempSync(join(tmpdir(), 'weft-docs-'));
      const [name, value] = settings?.env?.split(/=(.*)/) ?? [];
      const env = {
        ...process.env,
        PATH: `${join(packageRoot(), 'bin')}:${process.env.PATH}`,
        HOME: home,
        NO_COLOR: '1',
        ...(name !== undefined && { [name]: value }),
      };

      function run(command: string): { readonly output: string; readonly complaint: string } {
        const { stdout, stderr, error } = spawnSync('sh', ['-c', command], {
          env,
          cwd: home,
          encoding: 'utf8',
          timeout: COMMAND_TIMEOUT_MS,
        });
        return { output: stdout, complaint: error?.message ?? stderr };
      }

      before(() => {
        if (settings?.setup !== undefined) run(settings.setup);
      });

      after(() => {
        if (settings?.cleanup !== undefined) run(settings.cleanup);
        rmSync(home, { recursive: true, force: true });
      });

      for (const { line, command, output } of commandsOf(text))
        it(`line ${line}: ${command}`, () => {
          const quoted = `'${command.replaceAll("'", String.raw`'\''`)}'`;
          const actual = run(settings?.in === undefined ? command : `${settings.in} sh -c ${quoted}`);
          assert.ok(
            matchesOutput(output, actual.output),
            `printed:\n${actual.output}${actual.complaint}\nthe page shows:\n${output.join('\n')}`,
          );
        });
    });
}

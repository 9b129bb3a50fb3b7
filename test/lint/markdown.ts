// What the tests of the documentation read from a Markdown page: headings, links and console blocks. Fenced code is not
// prose: links and headings inside it do not count.

export interface Link {
  readonly line: number;
  /** Path as written, `''` for a link inside the page. */
  readonly path: string;
  /** Without `#`; `undefined` where there is none. */
  readonly anchor: string | undefined;
}

/** A command of a runnable block with the output that the page shows. */
export interface ConsoleCommand {
  readonly line: number;
  readonly command: string;
  readonly output: readonly string[];
}

interface Line {
  readonly number: number;
  readonly text: string;
  /** Info string of the fence around it; `undefined` for prose. */
  readonly fence: string | undefined;
}

function linesOf(page: string): readonly Line[] {
  let fence: string | undefined;
  return page.split('\n').flatMap((text, index) => {
    const mark = /^\s*```(.*)$/.exec(text);
    if (mark === null) return [{ number: index + 1, text, fence }];
    fence = fence === undefined ? mark[1]!.trim() : undefined;
    return [];
  });
}

/** Anchors of all headings, as GitHub makes them. */
export function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const { text, fence } of linesOf(page)) {
    const heading = fence === undefined ? /^#{1,6} (.*)$/.exec(text)?.[1] : undefined;
    if (heading === undefined) continue;
    const slug = heading
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    let unique = slug;
    for (let count = 1; anchors.has(unique); count++) unique = `${slug}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Links to other pages and files of the project; those with a scheme are left out. */
export function linksOf(page: string): readonly Link[] {
  return linesOf(page).flatMap(({ number, text, fence }) => {
    if (fence !== undefined) return [];
    return [...text.matchAll(/\]\(([^)\s#]*)(?:#([^)\s]*))?\)/g)]
      .filter(([, path]) => !/^[a-z]+:/.test(path!))
      .map(([, path, anchor]) => ({ line: number, path: path!, anchor }));
  });
}

/** Commands of ```` ```console run ```` blocks: lines after `$ ` or `# `; a backslash continues the line. */
export function commandsOf(page: string): readonly ConsoleCommand[] {
  const commands: { line: number; command: string; output: string[] }[] = [];
  let last: (typeof commands)[number] | undefined;
  let isContinued = false;
  for (const { number, text, fence } of linesOf(page)) {
    if (fence !== 'console run') {
      last = undefined;
      continue;
    }
    const prompt = /^[$#] (.*)$/.exec(text);
    if (isContinued) last!.command += `\n${text}`;
    else if (prompt !== null) commands.push((last = { line: number, command: prompt[1]!, output: [] }));
    else last?.output.push(text);
    isContinued = text.endsWith('\\') && (isContinued || prompt !== null);
  }
  return commands;
}

/** Whether `actual` is what the page shows: `…` stands for any text in a line, and alone for any lines. */
export function matchesOutput(expected: readonly string[], actual: string): boolean {
  const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const lines = expected.map((line) =>
    line.trim() === '…'
      ? String.raw`(?:[^\n]*\n)*?`
      : `${escape(line.trimEnd()).replaceAll('…', '[^\\n]*')}[ \\t]*\\n`,
  );
  return new RegExp(`^${lines.join('')}$`).test(
    actual === '' || actual.endsWith('\n') ? actual : `${actual}\n`,
  );
}

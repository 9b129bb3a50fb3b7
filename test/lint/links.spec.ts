// Every link of the documentation leads to a file, and to a heading in it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import { anchorsOf, linksOf } from './markdown.ts';

describe('documentation', () => {
  const root = packageRoot();
  const args = ['ls-files', '-co', '--exclude-standard', '*.md'];
  const pages = execFileSync('git', args, { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n')
    .filter((page) => existsSync(join(root, page)));
  const read = (page: string): string => readFileSync(join(root, page), 'utf8');

  it('has pages', () => assert.ok(pages.includes('README.md') && pages.length > 20));

  for (const page of pages)
    it(`${page} links to what exists`, () => {
      const broken = linksOf(read(page)).filter(({ path, anchor }) => {
        const target = path === '' ? page : normalize(join(dirname(page), path));
        if (!existsSync(join(root, target))) return true;
        return anchor !== undefined && target.endsWith('.md') && !anchorsOf(read(target)).has(anchor);
      });
      assert.deepEqual(broken, []);
    });

  it('reaches every page from its index', () => {
    const reached = new Set<string>();
    const visit = (page: string): void => {
      if (reached.has(page)) return;
      reached.add(page);
      for (const { path } of linksOf(read(page))) {
        const target = normalize(join(dirname(page), path));
        if (path.endsWith('.md') && existsSync(join(root, target))) visit(target);
      }
    };
    visit('README.md');
    assert.deepEqual(
      pages.filter((page) => page.startsWith('docs/') && !reached.has(page)),
      [],
    );
  });
});

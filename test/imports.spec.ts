// Imports point down only: what each folder may know of the others.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';

/** Folders that a folder may import from, besides itself. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  api: [],
  lib: [],
  native: [],
  allocator: ['api', 'lib'],
  backends: ['api', 'allocator', 'lib'],
  daemon: ['api', 'backends', 'allocator', 'native', 'lib'],
  containers: ['api', 'daemon', 'allocator', 'lib'],
  lab: ['api', 'allocator', 'lib'],
  cli: ['api', 'lab', 'containers', 'daemon', 'backends', 'allocator', 'native', 'lib'],
  bench: ['api', 'lab', 'containers', 'daemon', 'backends', 'allocator', 'native', 'lib'],
  deploy: ['lab'],
};

/** Modules of Node that mean I/O, time or randomness; pure folders do without them. */
const IMPURE = /^node:(?!crypto$)/;

interface Import {
  readonly from: string;
  readonly target: string;
  readonly isTypeOnly: boolean;
}

function importsOf(root: string, file: string): Import[] {
  const statements = /^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'|\bimport\('([^']+)'\)/gm;
  return [...readFileSync(join(root, file), 'utf8').matchAll(statements)].map((match) => {
    const specifier = match[2] ?? match[3]!;
    const target = specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier;
    return { from: file, target, isTypeOnly: match[1] !== undefined };
  });
}

function productFiles(root: string): string[] {
  const files = Object.keys(BELOW).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  );
  return files.filter((file) => file.endsWith('.ts') && !/(?:\.spec|\/fixture)\.ts$/.test(file));
}

describe('imports', () => {
  const root = packageRoot();
  const imports = productFiles(root).flatMap((file) => importsOf(root, file));

  it('are found at all', () => {
    assert.ok(imports.some(({ from, target }) => from === 'cli/commands/lab.ts' && target === 'lab/lab.ts'));
  });

  it('point down only', () => {
    const wrong = imports.filter(({ from, target }) => {
      const [folder, targetFolder] = [from.split('/')[0]!, target.split('/')[0]!];
      const isInside = target.endsWith('.ts') && targetFolder !== folder;
      return isInside && !BELOW[folder]!.includes(targetFolder);
    });
    assert.deepEqual(wrong, []);
  });

  it('of backends bring in types and address arithmetic only', () => {
    const wrong = imports.filter(({ from, target, isTypeOnly }) => {
      if (!from.startsWith('backends/') || isTypeOnly || target.startsWith('backends/')) return false;
      return (
        !['lib/address.ts', 'api/errors.ts'].includes(target) &&
        (IMPURE.test(target) || target.includes('allocator/'))
      );
    });
    assert.deepEqual(wrong, []);
  });

  it('of the specification of the packet path are empty, and only tests and its benchmark import it', () => {
    const reference = 'native/reference/';
    const wrong = imports.filter(
      ({ from, target }) =>
        from.startsWith(reference) !== target.startsWith(reference) && from !== 'bench/micro/reference.ts',
    );
    assert.deepEqual(wrong, []);
    assert.ok(imports.some(({ target }) => target.startsWith(reference)));
  });

  it('load the native addon in one place', () => {
    const wrong = imports.filter(
      ({ from, target }) => target.endsWith('.node') && from !== 'native/index.ts',
    );
    assert.deepEqual(wrong, []);
  });
});

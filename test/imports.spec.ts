// The house: which room may import from which, no circles of files, folders that can be read at one glance.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';
import { findCycles } from './support/import-cycles.ts';

/** Rooms that a room may import from, besides itself. A room is a folder; a folder's own files are in `FOLDER/.`. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  api: [],
  lib: [],
  native: [],
  'allocator/.': ['lib'],
  'allocator/config': ['api', 'lib'],
  'allocator/subnet': ['allocator/.', 'allocator/config', 'api', 'lib'],
  'allocator/registry': ['allocator/.', 'api', 'lib'],
  'allocator/lease': [
    'allocator/.',
    'allocator/config',
    'allocator/subnet',
    'allocator/registry',
    'api',
    'lib',
  ],
  backends: ['allocator', 'api', 'lib'],
  'daemon/log': ['daemon/reconciler', 'allocator', 'native', 'api', 'lib'],
  'daemon/http': ['api', 'lib'],
  // Code of browsers.
  'daemon/page': ['api'],
  'daemon/kernel': ['backends', 'native', 'api', 'lib'],
  'daemon/reconciler': ['daemon/kernel', 'backends', 'api', 'lib'],
  'daemon/probe': [
    'daemon/reconciler',
    'daemon/kernel',
    'daemon/log',
    'backends',
    'allocator',
    'native',
    'api',
    'lib',
  ],
  'daemon/options': ['daemon/log', 'daemon/host', 'allocator', 'native', 'api', 'lib'],
  'daemon/subnet-file': ['daemon/log', 'backends', 'allocator', 'api', 'lib'],
  'daemon/host': ['daemon/kernel', 'daemon/log', 'backends', 'allocator', 'native', 'api', 'lib'],
  'daemon/handover': ['daemon/kernel', 'daemon/log', 'native', 'api', 'lib'],
  'daemon/cleanup': ['daemon/kernel', 'daemon/subnet-file', 'backends', 'native', 'api', 'lib'],
  'daemon/connectivity': ['daemon/kernel', 'daemon/probe', 'allocator', 'native', 'api', 'lib'],
  'daemon/peer-requests': [
    'daemon/connectivity',
    'daemon/view',
    'daemon/log',
    'daemon/kernel',
    'allocator',
    'api',
    'lib',
  ],
  // Both read the node through daemon/view alone, and neither knows the other.
  'daemon/metrics': [
    'daemon/view',
    'daemon/http',
    'daemon/log',
    'daemon/probe',
    'allocator',
    'native',
    'api',
    'lib',
  ],
  'daemon/control': [
    'daemon/view',
    'daemon/http',
    'daemon/log',
    'daemon/kernel',
    'daemon/peer-requests',
    'daemon/probe',
    'daemon/reconciler',
    'backends',
    'allocator',
    'native',
    'api',
    'lib',
  ],
  'daemon/overlay': ['daemon', 'backends', 'allocator', 'native', 'api', 'lib'],
};

/** The same for folders whose inner order nothing depends on. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  allocator: ['api', 'lib'],
  daemon: ['api', 'backends', 'allocator', 'native', 'lib'],
  containers: ['api', 'daemon', 'allocator', 'lib'],
  lab: ['api', 'allocator', 'lib'],
  cli: ['api', 'lab', 'containers', 'daemon', 'backends', 'allocator', 'native', 'lib'],
  bench: ['api', 'lab', 'containers', 'daemon', 'backends', 'allocator', 'native', 'lib'],
  deploy: ['lab', 'api'],
};

const FOLDERS = [
  ...new Set([...Object.keys(ALLOWED), ...Object.keys(BELOW)].map((room) => room.split('/')[0]!)),
];

/** Modules of Node that mean I/O, time or randomness; pure folders do without them. */
const IMPURE = /^node:(?!crypto$)/;

/** Files of a folder that one glance takes in, beside specs. */
const MAX_FILES = 25;

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

function filesBelow(root: string, folder: string): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}

function productFiles(root: string): string[] {
  const files = FOLDERS.flatMap((folder) => filesBelow(root, folder));
  return files.filter((file) => file.endsWith('.ts') && !/(?:\.spec|fixture)\.ts$/.test(file));
}

function roomOf(file: string): string {
  const [folder, ...rest] = file.split('/') as [string, ...string[]];
  const room = rest.length > 1 ? `${folder}/${rest[0]}` : `${folder}/.`;
  return room in ALLOWED ? room : folder;
}

/** Whether `file` lies in a room, or in any room of a folder. */
function isIn(room: string, file: string): boolean {
  return room.endsWith('/.') ? dirname(file) === room.slice(0, -2) : file.startsWith(`${room}/`);
}

function mayImport(from: string, target: string): boolean {
  const room = roomOf(from);
  const allowed = ALLOWED[room] ?? BELOW[room]!;
  return [room, ...allowed].some((other) => isIn(other, target));
}

describe('imports', () => {
  const root = packageRoot();
  const imports = productFiles(root).flatMap((file) => importsOf(root, file));

  it('are found at all', () => {
    assert.ok(imports.some(({ from, target }) => from === 'cli/commands/lab.ts' && target === 'lab/lab.ts'));
  });

  it('point down only', () => {
    const wrong = imports.filter(({ from, target }) => target.endsWith('.ts') && !mayImport(from, target));
    assert.deepEqual(
      wrong.map(({ from, target }) => `${from} → ${target}`),
      [],
    );
  });

  it('form no circle of files, types included', () => {
    const inside = imports.filter(({ target }) => target.endsWith('.ts'));
    assert.deepEqual(findCycles(inside.map(({ from, target }) => [from, target])), []);
  });

  it('of backends bring in types and address arithmetic only', () => {
    const wrong = imports.filter(({ from, target, isTypeOnly }) => {
      if (!from.startsWith('backends/') || isTypeOnly || target.startsWith('backends/')) return false;
      if (['lib/address.ts', 'api/errors.ts'].includes(target)) return false;
      return IMPURE.test(target) || target.includes('allocator/');
    });
    assert.deepEqual(wrong, []);
  });

  it('of api bring in nothing from outside api', () => {
    const wrong = imports.filter(({ from, target }) => from.startsWith('api/') && !target.startsWith('api/'));
    assert.deepEqual(wrong, []);
  });

  it('of the reference of the packet path bring in nothing, and only tests and its benchmark import it', () => {
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

describe('folders', () => {
  it(`hold at most ${MAX_FILES} files beside specs`, () => {
    const root = packageRoot();
    const counts = new Map<string, number>();
    for (const folder of [...FOLDERS, 'test', 'docs'])
      for (const file of filesBelow(root, folder))
        if (!file.includes('/build/') && !file.includes('/prebuilds/') && !file.endsWith('.spec.ts'))
          counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
    assert.ok(counts.size > 30);
    assert.deepEqual(
      [...counts].filter(([, count]) => count > MAX_FILES),
      [],
    );
  });
});

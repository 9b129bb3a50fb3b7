import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';

describe('the compiled BPF program', () => {
  it('is that of its sources', () => {
    const read = (name: string): string =>
      readFileSync(join(packageRoot(), 'native/bpf/kernel', name), 'utf8');
    const headers = ['decap-frame', 'headers', 'inner', 'ipv4', 'ipv6', 'join', 'outer', 'shared'];
    const sources = ['overlay.bpf.c', ...headers.map((name) => `${name}.h`)];
    const digest = createHash('sha256').update(sources.map(read).join('')).digest('hex');
    const recorded = /sha256 of all: ([0-9a-f]+)/.exec(read('program.h'))?.[1];
    assert.equal(recorded, digest, 'run native/bpf/build.sh');
  });
});

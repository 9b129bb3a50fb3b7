// What a fresh clone has: scripts that can be run, and targets that make all that README calls.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';

describe('a fresh clone', () => {
  const cwd = packageRoot();

  for (const folder of ['bin', 'deploy', 'deploy/container', 'deploy/deb'])
    for (const name of readdirSync(join(cwd, folder)).filter((each) => isScript(join(cwd, folder, each))))
      it(`can run ${folder}/${name}`, () =>
        assert.equal(statSync(join(cwd, folder, name)).mode & 0o111, 0o111));

  for (const target of ['build', 'bundle', 'bench'])
    it(`has the CNI plugin after make ${target}`, () => {
      const plan = execFileSync('make', ['-n', '-W', 'dist/.built', target], { cwd, encoding: 'utf8' });
      assert.match(plan, /--outfile=dist\/weft-cni\.cjs/);
    });
});

function isScript(path: string): boolean {
  return statSync(path).isFile() && readFileSync(path, 'latin1').startsWith('#!/bin/sh');
}

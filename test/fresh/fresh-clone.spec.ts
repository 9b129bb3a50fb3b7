// What README and docs/how-to/install.md say, typed line by line as root on a Debian 12 that has nothing but git and make.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import { FreshDebian } from '../support/fresh-debian.ts';

const root = packageRoot();
/** Every suite, which takes most of an hour and is itself what runs elsewhere. */
const TOO_LONG = 'make test';

describe('a fresh clone on a Debian 12 with git and make', function freshClone() {
  this.bail(true);
  const debian = new FreshDebian('debian-12-minimal');
  after(() => debian.remove());
  const inClone = (command: string): string => debian.check(`cd weft && ${command}`);

  it('finds no Node and no compiler', () => {
    for (const tool of ['node', 'npm', 'cc'])
      assert.equal(debian.run(`command -v ${tool}`).status, 127, tool);
  });

  it('is cloned', () => {
    const bundle = debian.pathInHome('weft.bundle');
    execFileSync('git', ['-C', root, 'bundle', 'create', '--quiet', bundle, 'HEAD']);
    debian.check('git clone --quiet weft.bundle weft');
  });

  const readme = fencedCommands('README.md', 'Try it');
  it('has commands to try in README', () => assert.deepEqual(readme, ['make demo', TOO_LONG]));
  for (const command of readme.filter((each) => each !== TOO_LONG))
    it(`README: ${command}`, () => assert.match(inClone(command), /h1[^]*h2[^]*h3/));

  it('runs weft without further settings afterwards', () => {
    assert.match(inClone('bin/weft version'), /^weft /);
    assert.match(inClone('bin/weft lab run --hosts 2'), /h2/);
  });

  it('install: make deb', () => assert.match(inClone('make deb'), /weft_\S+_amd64\.deb/));

  it('install: dpkg -i on an untouched Debian', () => {
    const other = new FreshDebian('debian-12-minimal');
    try {
      const file = inClone('ls -1 $PWD/dist/weft_*+node*_$(dpkg --print-architecture).deb').trim();
      execFileSync('cp', [debian.pathOf(file), other.pathInHome('weft.deb')]);
      assert.match(other.check('dpkg -i weft.deb && weft version'), /^weft /m);
    } finally {
      other.remove();
    }
  });

  it('install: make bundle, and node weft.mjs', () => {
    inClone('make bundle && mkdir -p /opt/weft/bin && cp -r dist/weft.mjs dist/addons /opt/weft/');
    assert.match(inClone('.build/node/bin/node /opt/weft/weft.mjs version'), /^weft /);
  });

  it('install: deploy/container/rootfs.sh and run.sh', () => {
    inClone('deploy/container/rootfs.sh /tmp/container');
    assert.match(inClone('deploy/container/run.sh /tmp/container version'), /^weft /);
  });
});

/** The commands of the first code block below a heading. */
function fencedCommands(page: string, heading: string): readonly string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const block = new RegExp(`^## ${heading}$[^]*?\`\`\`sh\n([^]*?)\`\`\``, 'm').exec(text)?.[1] ?? '';
  return block
    .trim()
    .split('\n')
    .map((line) => line.replace(/ *#.*/, ''));
}

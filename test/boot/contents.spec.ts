// What is in the Debian packages of both architectures, laid out in a folder. What they do: package.spec.ts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../lab/package-root.ts';

const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
  version: string;
};
/** Names of Debian and of Node, with the machine's number in an ELF header. */
const ARCHITECTURES = [
  ['amd64', 'x64', 62],
  ['arm64', 'arm64', 183],
] as const;

const PACKAGES = ARCHITECTURES.flatMap((names) =>
  [false, true].map((hasNode) => [...names, hasNode ? `${version}+node` : version, hasNode] as const),
);

for (const [arch, nodeArch, machine, packageVersion, hasNode] of PACKAGES)
  describe(`the Debian package ${packageVersion} for ${arch}`, function contents() {
    this.timeout(60_000);
    const file = join(packageRoot(), `dist/weft_${packageVersion}_${arch}.deb`);
    let folder = '';
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'weft-deb-'));
      execFileSync('dpkg-deb', ['-x', file, folder]);
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    const read = (path: string): Buffer => readFileSync(join(folder, path));
    const assertElf = (path: string): void => {
      const elf = read(path);
      assert.deepEqual([elf.toString('latin1', 1, 4), elf.readUInt16LE(18)], ['ELF', machine], path);
    };
    const fieldsOf = (...names: readonly string[]): string =>
      execFileSync('dpkg-deb', ['-f', file, ...names]).toString();

    it('is named so to dpkg', () => {
      assert.equal(
        fieldsOf('Package', 'Version', 'Architecture'),
        `Package: weft\nVersion: ${packageVersion}\nArchitecture: ${arch}\n`,
      );
    });

    if (hasNode)
      it('brings the Node that its programs use, and needs none of Debian', () => {
        assert.doesNotMatch(fieldsOf('Depends'), /nodejs/);
        assertElf('usr/lib/weft/bin/node');
        assert.equal(lstatSync(join(folder, 'usr/lib/weft/bin/node')).mode & 0o777, 0o755);
        assertElf('usr/lib/cni/weft-cni');
        assert.match(read('usr/lib/cni/weft-cni').toString('latin1'), /\0#!\/usr\/lib\/weft\/bin\/node\n/);
        assert.match(read('usr/share/doc/weft/copyright').toString(), /\nNode\n\n[^]*Node\.js/);
        if (nodeArch !== process.arch) return;
        // All that the launcher needs, and no other Node.
        const tools = join(folder, 'tools');
        mkdirSync(tools);
        symlinkSync('/usr/bin/readlink', join(tools, 'readlink'));
        const started = execFileSync(join(folder, 'usr/bin/weft'), ['version'], { env: { PATH: tools } });
        assert.match(started.toString(), /^weft \d/);
      });
    else
      it("needs Debian's Node and brings none", () => {
        assert.match(fieldsOf('Depends'), /nodejs \(>= 20\.19\)/);
        assert.ok(!existsSync(join(folder, 'usr/lib/weft/bin/node')));
        assertElf('usr/lib/cni/weft-cni');
        assert.match(read('usr/lib/cni/weft-cni').toString('latin1'), /\0#!\/usr\/bin\/env node\n/);
      });

    it('has a sum of each file', () => {
      const control = execFileSync('dpkg-deb', ['--ctrl-tarfile', file]);
      const sums = execFileSync('tar', ['-xO', './md5sums'], { input: control });
      execFileSync('md5sum', ['--check', '--quiet', '--strict'], { cwd: folder, input: sums });
      const count = Number(execFileSync('sh', ['-c', 'find . -type f | wc -l'], { cwd: folder }).toString());
      assert.equal(sums.toString().trim().split('\n').length, count);
    });

    it('has addons for that machine and no other', () => {
      assert.deepEqual(readdirSync(join(folder, 'usr/lib/weft/addons')), [`linux-${nodeArch}`]);
      for (const name of ['weft', 'netlink']) assertElf(`usr/lib/weft/addons/linux-${nodeArch}/${name}.node`);
    });

    it('has programs that start', () => {
      for (const name of ['weft', 'flanneld', 'mk-docker-opts.sh'])
        assert.ok(lstatSync(join(folder, 'usr/bin', name)).isSymbolicLink(), name);
      const program = join(folder, 'usr/bin/weft');
      const env = { ...process.env, WEFT_NODE: process.execPath };
      assert.match(execFileSync(program, ['version'], { env }).toString(), new RegExp(`^weft ${version} `));
      // A command that only asks, from its own bundle.
      assert.match(execFileSync(program, ['status', '--help'], { env }).toString(), /^Usage: weft status /);
      assert.ok(read('usr/lib/weft/weft-client.cjs').length < 100_000);
    });

    it('has the manual page on the path of man', () => {
      assert.match(
        gunzipSync(read('usr/share/man/man1/weft.1.gz')).toString(),
        /^\.TH WEFT 1 [^]*weft status/m,
      );
    });

    it('has completions on the paths of the shells', () => {
      execFileSync('bash', ['-n', join(folder, 'usr/share/bash-completion/completions/weft')]);
      assert.match(read('usr/share/zsh/vendor-completions/_weft').toString(), /^#compdef weft\b/);
      assert.match(read('usr/share/fish/vendor_completions.d/weft.fish').toString(), /^complete -c weft /m);
    });

    it("leaves Docker's unit alone and has the drop-in for it as an example", () => {
      const example = read('usr/share/doc/weft/examples/docker.service.d/weft.conf').toString();
      assert.match(example, /^ExecStartPre=\/usr\/bin\/weft docker-opts /m);
      assert.deepEqual(readdirSync(join(folder, 'usr/lib/systemd/system')), ['weft.service']);
    });
  });

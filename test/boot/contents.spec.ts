// What is in the Debian packages of both architectures, laid out in a folder. What they do: package.spec.ts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
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

for (const [arch, nodeArch, machine] of ARCHITECTURES)
  describe(`the Debian package for ${arch}`, function contents() {
    this.timeout(60_000);
    const file = join(packageRoot(), `dist/weft_${version}_${arch}.deb`);
    let folder = '';
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'weft-deb-'));
      execFileSync('dpkg-deb', ['-x', file, folder]);
    });
    after(() => rmSync(folder, { recursive: true, force: true }));

    const read = (path: string): Buffer => readFileSync(join(folder, path));

    it('is named so to dpkg', () => {
      const fields = execFileSync('dpkg-deb', ['-f', file, 'Package', 'Version', 'Architecture']).toString();
      assert.equal(fields, `Package: weft\nVersion: ${version}\nArchitecture: ${arch}\n`);
    });

    it('has addons for that machine and no other', () => {
      assert.deepEqual(readdirSync(join(folder, 'usr/lib/weft/addons')), [`linux-${nodeArch}`]);
      for (const name of ['weft', 'netlink']) {
        const elf = read(`usr/lib/weft/addons/linux-${nodeArch}/${name}.node`);
        assert.deepEqual([elf.toString('latin1', 1, 4), elf.readUInt16LE(18)], ['ELF', machine], name);
      }
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

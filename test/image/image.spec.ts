// The container image: two builds are the same byte for byte, and it runs with nothing of this
// machine. Needs root for chroot.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { packageRoot } from '../../lab/package-root.ts';

const WORK = join(packageRoot(), '.build/test-image');
/** Offsets of e_machine in ELF headers, and its values. */
const MACHINE = { offset: 18, amd64: 62, arm64: 183 } as const;

describe('the container image', () => {
  const archives = ['one', 'two'].map((name) => join(WORK, `${name}.oci.tar`));
  before(function build() {
    this.timeout(900_000);
    for (const [index, file] of archives.entries()) {
      // The second build takes the packages of the first: Debian may publish others in between.
      const packages = index === 0 ? [] : ['--packages', join(WORK, 'packages')];
      const args = ['dist/deploy/image/main.js', '--work', WORK, ...packages, file];
      // Otherwise the time of the last commit, and one may come in between.
      const env = { ...process.env, SOURCE_DATE_EPOCH: '1796000000' };
      const { status } = spawnSync(process.execPath, args, { cwd: packageRoot(), stdio: 'inherit', env });
      assert.equal(status, 0);
    }
  });
  after(() => archives.forEach((file) => rmSync(file, { force: true })));

  const inImage = (architecture: string, ...argv: readonly string[]) => {
    const trees = ['base', 'weft'].map((tree) => join(WORK, architecture, tree));
    const script = `set -e; mkdir -p "$1/merged"; mount -t tmpfs tmpfs "$1/merged"
      cp -a "$2/." "$3/." "$1/merged"; mount -t proc proc "$1/merged/proc"; root=$1; shift 3
      exec chroot "$root/merged" "$@"`;
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', WORK, ...trees, ...argv];
    return spawnSync('unshare', args, { encoding: 'utf8' });
  };

  it('is the same in two builds', () => {
    const [one, two] = archives.map((file) => readFileSync(file));
    assert.ok(one!.equals(two!));
  });

  it('runs its programs with nothing of this machine, and copies plugins that run', () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
      version: string;
    };
    const script = `set -e
      weft version; nft --version; iptables --version; ip6tables-restore --version; iptables-legacy --version; ip -V
      weft cni copy --bin-dir /opt/cni/bin
      for name in weft-cni bridge host-local portmap loopback; do
        echo '{"cniVersion":"1.0.0"}' | CNI_COMMAND=VERSION /opt/cni/bin/$name
      done`;
    const { status, stderr, stdout } = inImage('amd64', 'sh', '-c', script);
    assert.equal(status, 0, stderr);
    for (const output of [
      version,
      'nftables',
      'nf_tables',
      'legacy',
      'iproute2',
      'copied /opt/cni/bin/weft-cni',
    ])
      assert.ok(stdout.includes(output), `${output} in ${stdout}`);
    assert.equal(stdout.match(/"supportedVersions"/g)?.length, 5);
  });

  for (const architecture of ['amd64', 'arm64'] as const)
    it(`has programs for ${architecture} alone, and a bill of materials`, () => {
      const [base, weft] = ['base', 'weft'].map((tree) => join(WORK, architecture, tree));
      for (const file of [
        join(base!, 'usr/lib/weft/bin/node'),
        join(base!, 'usr/sbin/nft'),
        join(base!, 'usr/lib/cni/bridge'),
        join(weft!, 'usr/lib/weft/cni-launcher'),
      ])
        assert.equal(readFileSync(file).readUInt16LE(MACHINE.offset), MACHINE[architecture], file);
      const sbom = readFileSync(join(weft!, 'usr/share/doc/weft/sbom.spdx.json'), 'utf8');
      for (const name of ['weft', 'node', 'libc6', 'nftables', '@grpc/grpc-js'])
        assert.match(sbom, new RegExp(`"name": "${name}"`));
      assert.ok(existsSync(join(WORK, `one_${architecture}.spdx.json`)));
    });

  it('is imported by containerd under its name', function imported() {
    const script = `set -e; mkdir -p "$1/containerd"; mount -t tmpfs tmpfs "$1/containerd"; cd "$1/containerd"
      printf 'version = 2\\nroot = "%s/root"\\nstate = "%s/state"\\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\\n[grpc]\\naddress = "%s/sock"\\n' "$PWD" "$PWD" "$PWD" >config.toml
      setpriv --pdeathsig KILL containerd -c config.toml >log 2>&1 & trap 'kill $!' EXIT
      for _ in $(seq 100); do ctr -a "$PWD/sock" version >/dev/null 2>&1 && break; sleep 0.1; done
      ctr -a "$PWD/sock" images import --all-platforms --no-unpack "$2" >/dev/null || ctr -a "$PWD/sock" images import --all-platforms "$2"
      ctr -a "$PWD/sock" images ls -q; ctr -a "$PWD/sock" images check`;
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', WORK, archives[0]!];
    const { status, stderr, stdout } = spawnSync('unshare', args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^docker\.io\/library\/weft:\d/m);
    assert.match(stdout, /complete \(\d+\/\d+\)/);
  });
});

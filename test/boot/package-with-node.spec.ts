// The Debian package that brings its Node, on a Debian without any, as docs/how-to/install.md installs it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import { ETCD_URL } from '../../lab/topology.ts';
import { programmedPeers, useLab } from '../support/lab-suite.ts';
import { Machine } from '../support/machine.ts';

const UNIT = 'weft.service';
const OWN_NODE = '/usr/lib/weft/bin/node';

describe('the Debian package with its own Node', function packageWithNode() {
  this.timeout(180_000);
  this.bail(true);
  const lab = useLab({ hosts: 2, bare: ['h1'] });
  let machine: Machine;

  before(async () => {
    machine = new Machine(lab(), 'h1');
    await machine.boot();
    assert.equal((await machine.run('command -v node')).code, 127, 'the machine has a Node');
  });
  after(() => machine?.off());

  it('installs and connects its host by the commands of the guide', async () => {
    // The boot empties /tmp.
    await machine.run('systemctl is-system-running --wait');
    await machine.copy(debFile(), 'weft.deb');
    for (const command of guideCommands())
      await machine.check(
        `cd /tmp; ${command.replace(/weft_\S+\.deb/, 'weft.deb').replace('http://ETCD:2379', ETCD_URL)}`,
      );
    assert.equal(await machine.property(UNIT, 'ActiveState'), 'active');
    assert.match(await machine.property(UNIT, 'StatusText'), /^10\.5\.\d+\.0\/24, 1 peers? programmed$/);
    assert.equal((await programmedPeers(lab(), 'h1')).length, 1);
  });

  it('runs daemon, commands and the CNI plugin under that Node', async () => {
    const pid = await machine.property(UNIT, 'MainPID');
    assert.equal(await machine.check(`readlink /proc/${pid}/exe`), OWN_NODE);
    assert.match(await machine.check('weft status'), /10\.5\.\d+\.0\/24/);
    assert.match(
      await machine.check('CNI_COMMAND=VERSION /usr/lib/cni/weft-cni', '{"cniVersion":"1.0.0"}'),
      /supportedVersions/,
    );
  });

  it('is removed with its devices standing, and purged without a trace', async () => {
    await machine.check('dpkg --remove weft');
    assert.equal((await programmedPeers(lab(), 'h1')).length, 1);
    assert.equal((await machine.run('dpkg --purge weft')).stderr, '');
    assert.equal(await machine.check('ip -o link show | grep -c flannel || true'), '0');
    assert.equal(await machine.check('ls -d /usr/lib/weft /var/lib/weft /run/weft 2>/dev/null || true'), '');
  });
});

/** The package for this machine, of `make deb`. */
function debFile(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  return join(packageRoot(), `dist/weft_${version}+node_${arch}.deb`);
}

/** The commands of the guide's section on the package. */
function guideCommands(): readonly string[] {
  const guide = readFileSync(join(packageRoot(), 'docs/how-to/install.md'), 'utf8');
  const [, block] = /## Debian package[^]*?```\n(dpkg -i [^]*?)```/.exec(guide)!;
  return block!
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +#.*/, ''));
}

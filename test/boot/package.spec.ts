// The Debian package on a clean Debian under a real systemd: a host of a lab, from installation to purge. The tests are one
// life of that machine, step by step.
//
//   c1 ── br0 ── machine (h1, systemd) ── switch, etcd ── h2 ── br0 ── c2
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ConnectivityV1 } from '../../cli/connectivity/report.ts';
import { packageRoot } from '../../lab/package-root.ts';
import { ETCD_URL, underlayCommands } from '../../lab/topology.ts';
import { waitFor } from '../../lab/wait.ts';
import { programmedPeers, useLab, viewOf, type HostView } from '../support/lab-suite.ts';
import { Machine } from '../support/machine.ts';
import { startPing } from '../../lab/traffic.ts';

const UNIT = 'weft.service';
const SETTINGS = '/etc/default/weft';
/** Files that change on a disk without action, and those that dpkg writes. */
const CHANGING = '/proc /sys /dev /run /tmp /var/tmp /var/log /var/lib/dpkg /var/lib/systemd /var/cache /old';

describe('the Debian package under a real systemd', function debianPackage() {
  this.timeout(90_000);
  this.bail(true);
  const lab = useLab({ hosts: 2, bare: ['h1'] });
  let machine: Machine;
  let filesBefore: readonly string[];

  before(async () => {
    machine = new Machine(lab(), 'h1');
    await machine.boot();
    const node = '/dev/shm/nodejs.deb';
    await script('test/boot/nodejs-deb.sh', process.execPath, node);
    await machine.check(`dpkg -i ${await machine.copy(node, 'nodejs.deb')}`);
    filesBefore = await files();
  });
  after(() => machine?.off());

  async function files(): Promise<readonly string[]> {
    const prune = CHANGING.split(' ').map((path) => `-path ${path}`);
    const list = await machine.check(`find / \\( ${prune.join(' -o ')} \\) -prune -o -print | sort`);
    return list.split('\n');
  }

  async function install(version: string): Promise<void> {
    const { stdout } = await script('deploy/deb/build.sh', debianArchitecture(), version);
    const file = await machine.copy(join(packageRoot(), stdout.trim()), 'weft.deb');
    await machine.check(`dpkg -i ${file}`);
  }

  /** Gives the container of the machine the subnet that the machine has. */
  async function attachContainer(): Promise<void> {
    const subnetEnv = await machine.check('cat /run/flannel/subnet.env');
    await lab().check('h1', ['sh', '-c', 'cat >"$0"', lab().subnetFile('h1')], { input: `${subnetEnv}\n` });
    await lab().attachContainer('h1');
  }

  const isReady = (timeoutMs?: number) => machine.waitForProperty(UNIT, 'ActiveState', /^active$/, timeoutMs);
  const pid = () => machine.property(UNIT, 'MainPID');
  const view = (): Promise<HostView> => viewOf(lab(), 'h1');

  /** Runs an action on the daemon and waits for its successor to be ready, under 1000 pings a second or `perSecond`. */
  async function countLost(change: () => Promise<unknown>, intervalMs = 1): Promise<number> {
    const before = await pid();
    const ping = await startPing(lab(), 'c2', await lab().containerAddress('h1'), intervalMs);
    await change();
    await waitFor('another process', async () => !['0', before].includes(await pid()), 60_000);
    await isReady();
    return (await ping.stop()).lost;
  }

  it('is installed, waits for etcd, and logs it', async () => {
    await install('1');
    await machine.waitForProperty(UNIT, 'StatusText', /^waiting for the registry$/);
    assert.equal(await machine.property(UNIT, 'ActiveState'), 'activating');
    assert.equal(await machine.check(`systemctl is-enabled ${UNIT}`), 'enabled');
  });

  it('connects its host once the endpoint of etcd is configured', async () => {
    await machine.check(`cat >>${SETTINGS}`, `FLANNELD_ETCD_ENDPOINTS=${ETCD_URL}\n`);
    await machine.check(`systemctl restart ${UNIT}`);
    assert.match(await machine.property(UNIT, 'StatusText'), /^10\.5\.\d+\.0\/24, 1 peers? programmed$/);
    await attachContainer();
    assert.equal((await programmedPeers(lab(), 'h1')).length, 1);
    const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'));
    assert.equal((await ping.stop()).lost, 0);
  });

  it('runs with the capabilities of a network daemon and no others', async () => {
    const status = await machine.check(`cat /proc/${await pid()}/status`);
    // CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13, CAP_BPF bit 39.
    assert.match(status, /^CapEff:\t0000008000003000$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
  });

  it('makes test containers for peers with these rights, and leaves none', async () => {
    const { code, stdout, stderr } = await lab().weft('h2', ['connectivity', '--output', 'json']);
    assert.equal(code, 0, stderr);
    const [peer] = (JSON.parse(stdout) as ConnectivityV1).peers;
    const inside = peer!.cells.filter(({ to }) => to !== 'outside');
    assert.equal(inside.length, 20);
    assert.deepEqual(
      inside.filter(({ state }) => state !== 'ok'),
      [],
    );
    const devices = async (): Promise<string> => machine.check('ls /sys/class/net');
    await waitFor('no test device', async () => !/weft-ct/.test(await devices()), 30_000);
  });

  it('has a unit that systemd-analyze finds tight and without mistakes', async () => {
    await machine.check(`systemd-analyze security --no-pager --threshold=49 ${UNIT}`);
    assert.equal((await machine.run(`systemd-analyze verify ${UNIT}`)).stderr, '');
  });

  it('is upgraded without losing a packet', async () => {
    const before = await view();
    assert.equal(await countLost(() => install('2')), 0);
    assert.equal(await machine.check("dpkg-query -W -f '${Version}' weft"), '2');
    assert.deepEqual(await view(), before);
  });

  it('resyncs on reload', async () => {
    await machine.check(`systemctl reload ${UNIT}`);
    await isReady();
    assert.match(await machine.check(`journalctl --no-pager -u ${UNIT}`), /SIGHUP: reading everything again/);
  });

  it('is killed by the watchdog when it hangs, and runs again, without losing a packet', async () => {
    const dropIn = `/run/systemd/system/${UNIT}.d/watchdog.conf`;
    await machine.check(
      `mkdir -p $(dirname ${dropIn}); cat >${dropIn}; systemctl daemon-reload; systemctl restart ${UNIT}`,
      '[Service]\nWatchdogSec=1s\nRestartSec=50ms\n',
    );
    const lost = await countLost(async () => machine.check(`kill -STOP ${await pid()}`));
    assert.equal(lost, 0);
    assert.match(await machine.check(`journalctl --no-pager -u ${UNIT}`), /Watchdog timeout/);
    await machine.check(`rm ${dropIn}; systemctl daemon-reload`);
  });

  it('starts after a reboot before etcd and before its interface has an address, with the same subnet and MAC', async () => {
    const before = await view();
    await machine.off();
    await lab().stopEtcd();
    for (const command of ['link del flannel.1', 'link del br0', 'link set eth0 down', 'addr flush dev eth0'])
      await lab().check('h1', ['ip', ...command.split(' ')]);
    await lab().check('c1', ['ip', 'link', 'del', 'eth0']);
    await machine.boot();
    await machine.waitForProperty(UNIT, 'StatusText', /^waiting for the registry$/);
    await lab().startEtcd();
    await lab().check('h1', ['ip', '-batch', '-'], {
      input: underlayCommands(lab().host('h1'))
        .map((line) => `${line}\n`)
        .join(''),
    });
    await isReady();
    assert.deepEqual(await subnetAndMac(), [before.subnet, before.mac]);
  });

  /** As the machine itself has them: the lab's copy of its subnet file is of before. */
  async function subnetAndMac(): Promise<readonly string[]> {
    const [, subnet] = /^FLANNEL_SUBNET=(\S+)\.1\//m.exec(
      await machine.check('cat /run/flannel/subnet.env'),
    )!;
    const { mac } = await view();
    return [`${subnet}.0/24`, mac];
  }

  it('does not lose a packet when it is restarted with devices in userspace', async () => {
    await machine.check(`echo FLANNELD_USERSPACE=true >>${SETTINGS}; systemctl restart ${UNIT}`);
    await attachContainer();
    assert.notEqual(await machine.property(UNIT, 'NFileDescriptorStore'), '0');
    // All of a restart's packets come at once after it: not more than the socket of ping itself has room for.
    assert.equal(await countLost(() => machine.check(`systemctl restart ${UNIT}`), 10), 0);
    assert.match(await lab().check('h1', ['ip', '-d', 'link', 'show', 'flannel.1']), /\btun\b/);
  });

  it('is removed with its devices standing, and purged without a trace', async () => {
    // A restart would stay in userspace.
    await machine.check(`sed -i /USERSPACE/d ${SETTINGS}; systemctl stop ${UNIT}; systemctl start ${UNIT}`);
    await machine.check('dpkg --remove weft');
    assert.equal((await programmedPeers(lab(), 'h1')).length, 1);
    await machine.check('dpkg --purge weft');
    assert.equal(await machine.check('ip -o link show | grep -c flannel || true'), '0');
    assert.equal(await machine.check('nft list ruleset; iptables-save | grep -i flannel || true'), '');
    assert.equal(await machine.check('ls /run/flannel /run/weft 2>/dev/null || true'), '');
    const filesAfter = await files();
    assert.deepEqual(
      filesAfter.filter((file) => !filesBefore.includes(file)),
      [],
    );
    assert.deepEqual(
      filesBefore.filter((file) => !filesAfter.includes(file)),
      [],
    );
    assert.equal((await machine.run(`systemctl cat ${UNIT}`)).code, 1);
  });
});

function script(file: string, ...args: string[]): Promise<{ stdout: string }> {
  return promisify(execFile)('sh', [join(packageRoot(), file), ...args]);
}

function debianArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

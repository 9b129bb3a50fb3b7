// Starts that cannot work: one line names the thing, its value and the remedy, with an exit code, and nothing is left
// behind. And starts that wait for a missing thing: they name it, and proceed once it exists.
import assert from 'node:assert/strict';
import { waitFor } from '../lab/wait.ts';
import { ask, useLab, waitUntilReady } from './support/lab-suite.ts';
import { askReadyz, leaseKeys, logOf, overlayDevicesOf, waitForLogLine } from './support/daemon-view.ts';

const WITHOUT_NET_ADMIN = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'];
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });
const VXLAN = configOf({ Type: 'vxlan' });

interface Refusal {
  readonly name: string;
  /** Conflicting program, started before, and shell condition that succeeds once it runs. */
  readonly obstacle?: { readonly argv: readonly string[]; readonly isThere: string };
  /** Shell commands before and after. */
  readonly before?: string;
  readonly after?: string;
  readonly config?: string;
  readonly wrapper?: readonly string[];
  readonly flags?: readonly string[];
  /** What the line must have. */
  readonly expected: readonly RegExp[];
}

const REFUSALS: readonly Refusal[] = [
  {
    name: 'health port in use',
    obstacle: {
      argv: ['socat', '-u', 'TCP-LISTEN:8471,fork', 'STDOUT'],
      isThere: 'ss -Hltn | grep -q :8471',
    },
    expected: [/127\.0\.0\.1:8471/, /in use/, /--healthz-port/],
  },
  {
    name: 'health address that no interface has',
    flags: ['--healthz-ip=192.0.2.99'],
    expected: [/192\.0\.2\.99:8471/, /--healthz-ip/],
  },
  {
    name: 'no CAP_NET_ADMIN',
    wrapper: WITHOUT_NET_ADMIN,
    expected: [/CAP_NET_ADMIN/, /run as root/],
  },
  {
    name: 'UDP port of the device in use by a program',
    obstacle: { argv: ['socat', '-u', 'UDP4-RECV:8472', 'STDOUT'], isThere: 'ss -Hlun | grep -q :8472' },
    expected: [/flannel\.1/, /UDP port 8472/, /"Port"/],
  },
  {
    name: 'metrics port in use',
    obstacle: {
      argv: ['socat', '-u', 'TCP-LISTEN:9471,fork', 'STDOUT'],
      isThere: 'ss -Hltn | grep -q :9471',
    },
    flags: ['--metrics-port=9471'],
    expected: [/:9471/, /in use/, /--metrics-port/],
  },
  {
    name: 'UDP port of the udp backend in use by a program',
    obstacle: { argv: ['socat', '-u', 'UDP4-RECV:8285', 'STDOUT'], isThere: 'ss -Hlun | grep -q :8285' },
    config: configOf({ Type: 'udp' }),
    expected: [/flannel0/, /UDP port 8285/, /"Port"/],
  },
  {
    name: 'UDP port of VXLAN in userspace in use by a program',
    obstacle: { argv: ['socat', '-u', 'UDP4-RECV:8472', 'STDOUT'], isThere: 'ss -Hlun | grep -q :8472' },
    flags: ['--userspace=true'],
    expected: [/flannel\.1/, /UDP port 8472/, /"Port"/],
  },
  {
    name: 'another device with the same VNI and port',
    before: 'ip link add other type vxlan id 1 dev eth0 dstport 8472 && ip link set other up',
    after: 'ip link del other',
    expected: [/flannel\.1/, /VNI 1/, /8472/, /remove it/],
  },
  {
    name: 'another device with other settings on the same port',
    before: 'ip link add other type vxlan id 2 dev eth0 dstport 4000 gbp && ip link set other up',
    after: 'ip link del other',
    config: configOf({ Type: 'vxlan', VNI: 9, Port: 4000 }),
    expected: [/flannel\.9/, /UDP port 4000/, /"Port"/],
  },
  {
    name: 'a public address for host-gw that is not on the link',
    config: configOf({ Type: 'host-gw' }),
    flags: ['--iface=eth0', '--public-ip=203.0.113.5'],
    expected: [/host-gw/, /203\.0\.113\.5/, /leave out --public-ip/],
  },
  {
    name: 'no authority file',
    flags: ['--etcd-endpoints=https://198.18.0.2:2379', '--etcd-cafile=/nonexistent/ca.pem'],
    expected: [/--etcd-cafile/, /\/nonexistent\/ca\.pem/, /no such file/],
  },
];

describe('a start that cannot work', () => {
  const lab = useLab({ hosts: 1, bare: ['h1'] });

  /** Starts a program in the background; resolves with its process id once `isThere` succeeds. */
  async function startObstacle({ argv, isThere }: NonNullable<Refusal['obstacle']>): Promise<string> {
    const script = '"$@" >/dev/null 2>&1 </dev/null & echo $!';
    const pid = (await lab().check('h1', ['sh', '-c', script, 'sh', ...argv])).trim();
    await waitFor(
      argv.join(' '),
      async () => (await lab().exec('h1', ['sh', '-c', isThere])).code === 0,
      5_000,
    );
    return pid;
  }

  async function runDaemon({ wrapper = [], flags = [] }: Refusal) {
    const command = ['timeout', '20', ...wrapper, ...lab().daemonCommand('h1', flags)];
    const { code, stderr } = await lab().exec('h1', command);
    return { code, errors: stderr.split('\n').filter((line) => / ERROR /.test(line)) };
  }

  for (const refusal of REFUSALS)
    it(`fails with one line and leaves nothing: ${refusal.name}`, async () => {
      const { obstacle, before = 'true', after = 'true', config = VXLAN, expected } = refusal;
      await lab().putConfig(config);
      await lab().check('h1', ['sh', '-c', before]);
      const pid = obstacle && (await startObstacle(obstacle));
      try {
        const { code, errors } = await runDaemon(refusal);
        assert.deepEqual([code, errors.length], [1, 1], errors.join('\n'));
        for (const pattern of expected) assert.match(errors[0]!, pattern);
      } finally {
        await lab().check('h1', ['sh', '-c', after]);
        if (pid !== undefined) await lab().check('h1', ['kill', pid]);
      }
      assert.deepEqual(await leaseKeys(lab()), []);
      assert.deepEqual(await overlayDevicesOf(lab(), 'h1'), []);
      assert.equal(await lab().check('h1', ['ls', '-A', '/run/weft-lab/h1']), '');
    });

  it('works without the capability for alloc, which needs none', async () => {
    await lab().putConfig(configOf({ Type: 'alloc' }));
    const script = '"$@" & while ! [ -e "$0" ]; do sleep 0.05; done; kill $!; wait $!';
    const command = [...WITHOUT_NET_ADMIN, ...lab().daemonCommand('h1', [])];
    await lab().check('h1', ['timeout', '20', 'sh', '-c', script, lab().subnetFile('h1'), ...command]);
    assert.equal((await leaseKeys(lab())).length, 1);
  });
});

describe('a start that has to wait', () => {
  const lab = useLab({ hosts: 1, bare: ['h1'] });

  afterEach(async () => {
    if (await lab().isRunning('h1')) await lab().stopDaemon('h1');
  });

  it('names the missing interface, leases nothing, and proceeds once it exists', async () => {
    await lab().startDaemon('h1', ['--iface=eth9']);
    await waitForLogLine(lab(), 'h1', /ERROR.*--iface=eth9.*no interface has this name/);
    const { status, body } = await askReadyz(lab(), 'h1');
    assert.equal(status, 503);
    assert.match(body, /waiting for an interface/);
    assert.deepEqual(await leaseKeys(lab()), []);
    await lab().check('h1', ['ip', '-batch', '-'], {
      input:
        'link add eth9 type veth peer name eth9p\naddr add 192.0.2.1/24 dev eth9\nlink set eth9p up\nlink set eth9 up\n',
    });
    await waitUntilReady(lab(), 'h1');
    const [link] = await ask<{ linkinfo: { info_data: { local: string; link: string } } }>(
      lab(),
      'h1',
      'ip -j -d link show flannel.1',
    );
    const { local, link: parent } = link!.linkinfo.info_data;
    assert.deepEqual({ local, parent }, { local: '192.0.2.1', parent: 'eth9' });
  });

  it('takes another config that asks for less, where no interface could serve the first', async () => {
    await lab().putConfig(
      JSON.stringify({ EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:5::/48' }),
    );
    await lab().check('h1', ['ip', '-6', 'address', 'flush', 'dev', 'eth0', 'scope', 'global']);
    await lab().startDaemon('h1', ['--iface=eth0']);
    await waitForLogLine(lab(), 'h1', /ERROR.*--iface=eth0.*IPv6/);
    await lab().putConfig(VXLAN);
    await waitUntilReady(lab(), 'h1');
  });

  const cases = [
    {
      name: 'a folder of its path is a file',
      damage: 'touch /run/weft-lab/h1/folder',
      repair: 'rm /run/weft-lab/h1/folder',
      reason: /\/run\/weft-lab\/h1\/folder\/subnet\.env.*ENOTDIR.*--subnet-file/,
    },
    {
      name: 'the file system is read-only',
      damage: 'mkdir /run/weft-lab/h1/folder && mount -t tmpfs -o ro tmpfs /run/weft-lab/h1/folder',
      // The daemon's mounts are its own, as `ip netns exec` makes them.
      repair: 'nsenter -t $(cat /run/h1.pid) -m mount -o remount,rw /run/weft-lab/h1/folder',
      reason: /\/run\/weft-lab\/h1\/folder\/subnet\.env.*EROFS.*--subnet-file/,
    },
  ];
  for (const { name, damage, repair, reason } of cases)
    it(`logs why subnet.env cannot be written, and writes it once possible: ${name}`, async () => {
      await lab().sandbox.check(['sh', '-c', damage]);
      const from = (await logOf(lab(), 'h1')).length;
      await lab().startDaemon('h1', ['--subnet-file=/run/weft-lab/h1/folder/subnet.env']);
      const isLogged = async () => reason.test((await logOf(lab(), 'h1')).slice(from));
      await waitFor('the log to name the cause', isLogged, 60_000, 50);
      const { status, body } = await askReadyz(lab(), 'h1');
      assert.equal(status, 503);
      assert.match(body, reason);
      assert.equal(await lab().isReady('h1'), false);
      await lab().sandbox.check(['sh', '-c', repair]);
      await waitUntilReady(lab(), 'h1');
      const cat = 'nsenter -t $(cat /run/h1.pid) -m cat /run/weft-lab/h1/folder/subnet.env';
      assert.match(await lab().sandbox.check(['sh', '-c', cat]), /^FLANNEL_SUBNET=/m);
      await lab().stopDaemon('h1');
      await lab()
        .sandbox.check(['rm', '-rf', '/run/weft-lab/h1/folder'])
        .catch(() => undefined);
    });
});

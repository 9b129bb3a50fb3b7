// What a monitoring system gets of a cluster: metrics of a host with kernel VXLAN and one in userspace, the page's document,
// and a command that runs when the subnet changes.
import assert from 'node:assert/strict';
import { HISTOGRAMS } from '../daemon/metrics/histogram-metrics.ts';
import { METRICS } from '../daemon/metrics/metrics.ts';
import type { ClusterV1 } from '../api/index.ts';
import { ETCD_URL } from '../lab/topology.ts';
import { waitFor } from '../lab/wait.ts';
import { leaseKeys, waitForLogLine } from './support/daemon-view.ts';
import { useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';

const PORT = 8472;
const HOOK = [
  'sh',
  '-c',
  'env | grep ^FLANNEL >>/run/hook.log; echo "changed $WEFT_CHANGED" >>/run/hook.log',
];
const SAMPLE = /^(\w+)(?:\{(.*)\})? (\S+)$/;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

describe('metrics', () => {
  const flags = ['--metrics-ip=127.0.0.1', `--metrics-port=${PORT}`, `--on-change=${JSON.stringify(HOOK)}`];
  const lab = useLab({ hosts: 2, userspace: ['h2'], daemonFlags: flags });
  before(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    // Metrics of probes are there once there was one.
    for (const { name } of lab().topology.hosts) {
      const isProbed = async () => (await lab().weft(name, ['ping', '--all', '-c', '1'])).code === 0;
      await waitFor(`${name} to reach its peer`, isProbed, 60_000);
    }
  });

  async function ask(host: string, path: string, method = 'GET'): Promise<Answer> {
    const url = `http://127.0.0.1:${PORT}${path}`;
    const print =
      'console.log(JSON.stringify({status:r.status,headers:Object.fromEntries(r.headers),text:await r.text()}))';
    const script = `fetch('${url}',{method:'${method}'}).then(async (r) => ${print})`;
    return JSON.parse(await lab().check(host, [process.execPath, '-e', script])) as Answer;
  }

  /** Values by name and labels, as they are written. */
  async function scrape(host: string): Promise<ReadonlyMap<string, number>> {
    const { status, text } = await ask(host, '/metrics');
    assert.equal(status, 200, text);
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => {
        const [, name = '', labels, value] = SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`);
        return [labels === undefined ? name : `${name}{${labels}}`, Number(value)];
      }),
    );
  }

  it('describe a healthy host', async () => {
    const metrics = await scrape('h1');
    const expected = {
      'weft_health{health="ok"}': 1,
      'weft_health{health="degraded"}': 0,
      'weft_lease_state{state="held"}': 1,
      weft_registry_connected: 1,
      weft_config_rejected: 0,
      'weft_peers{state="in-sync"}': 1,
      'weft_peers{state="error"}': 0,
      'weft_peers_by_mode{mode="tunnel"}': 1,
      weft_pool_used_subnets: 2,
      weft_overlay_mtu_bytes: 1450,
      'weft_kernel_steps_total{kind="fdb",action="set"}': 1,
      'weft_on_change_runs_total{outcome="failed"}': 0,
    };
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((name) => [name, metrics.get(name)])),
      expected,
    );
    const leftSec = metrics.get('weft_lease_expiry_timestamp_seconds')! - Date.now() / 1000;
    assert.ok(leftSec > 80_000 && leftSec <= 86_400, `the lease ends in ${leftSec} s`);
  });

  it('are those that are declared, with units in their names, and none for each peer', async () => {
    const { text } = await ask('h1', '/metrics');
    assert.deepEqual(await promtool(['check', 'metrics'], text), '');
    const served = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!);
    const declared = new Set([...METRICS, ...HISTOGRAMS].map(({ name }) => name));
    assert.deepEqual(
      served.filter((name) => !declared.has(name)),
      [],
    );
    // Of the packet path in userspace, and of another backend.
    const isOfOthers = (name: string): boolean => /^weft_(path|wireguard)_/.test(name);
    assert.deepEqual(
      [...declared].filter((name) => !isOfOthers(name) && !served.includes(name)),
      [],
    );
    for (const own of [lab().host('h2').publicIp, (await viewOf(lab(), 'h2')).subnet])
      assert.ok(!text.includes(own), `${own} is in the metrics of h1`);
  });

  it('count what the packet path of userspace carries', async () => {
    const count = async (): Promise<number> =>
      (await scrape('h2')).get('weft_path_packets_total{device="flannel.1",direction="receive"}')!;
    const before = await count();
    const address = await lab().containerAddress('h2');
    await lab().check('c1', ['ping', '-q', '-c', '3', '-i', '0.01', address]);
    assert.ok((await count()) >= before + 3);
    // What has no meaning on a host is absent there: of the packet path in the kernel's, of devices' checksums in userspace.
    const texts = await Promise.all(['h1', 'h2'].map(async (name) => (await ask(name, '/metrics')).text));
    for (const { name } of [...METRICS, ...HISTOGRAMS])
      if (!name.startsWith('weft_wireguard_'))
        assert.match(texts.join('\n'), new RegExp(`^# TYPE ${name} `, 'm'));
  });

  it('are also at the control socket', async () => {
    const script = `require('http').get({socketPath:'${lab().controlSocket('h1')}',path:'/metrics'},(r)=>r.pipe(process.stdout))`;
    assert.match(await lab().check('h1', [process.execPath, '-e', script]), /^weft_registry_connected 1$/m);
  });

  it('come with a document that has what status and peers have', async () => {
    const { status, headers, text } = await ask('h1', '/cluster.json');
    assert.deepEqual([status, headers['content-type']], [200, 'application/json; charset=utf-8']);
    const cluster = JSON.parse(text) as ClusterV1;
    assert.deepEqual(Object.keys(cluster), ['status', 'peers']);
    const h2 = await viewOf(lab(), 'h2');
    assert.deepEqual(
      [cluster.status.health, cluster.peers.map(({ ipv4, publicIp }) => [ipv4, publicIp])],
      ['ok', [[h2.subnet, h2.publicIp]]],
    );
  });

  it('come with a page that loads nothing external and cannot be framed', async () => {
    const { status, headers, text } = await ask('h1', '/');
    assert.deepEqual([status, headers['content-type']], [200, 'text/html; charset=utf-8']);
    const policy = headers['content-security-policy'] ?? '';
    assert.match(
      policy,
      /^default-src 'none'; script-src 'sha256-\S+'; style-src 'sha256-\S+'; connect-src 'self'; /,
    );
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.doesNotMatch(text, /https?:\/\/(?!www\.w3\.org\/)/);
  });

  it('reject writes, and serve no other path', async () => {
    assert.equal((await ask('h1', '/cluster.json', 'POST')).status, 405);
    assert.equal((await ask('h1', '/v1/options')).status, 404);
    assert.equal((await ask('h1', '/constructor')).status, 404);
  });

  it('show that etcd is gone, and back', async () => {
    await lab().stopEtcd('STOP');
    const seesIt = async (): Promise<boolean> => (await scrape('h1')).get('weft_registry_connected') === 0;
    await waitFor('h1 to miss etcd', seesIt, 60_000, 50);
    await lab().stopEtcd('CONT');
    await waitFor('h1 to be back', async () => !(await seesIt()), 60_000, 50);
  });

  it('and the command of --on-change follow a subnet that changes', async () => {
    const hookLog = (): Promise<string> =>
      lab()
        .exec('h1', ['cat', '/run/hook.log'])
        .then(({ stdout }) => stdout);
    const { subnet } = await viewOf(lab(), 'h1');
    const old = subnet.replace('.0/', '.1/');
    assert.ok((await hookLog()).includes(`FLANNEL_SUBNET=${old}\n`));
    const config = '{"Network":"10.6.0.0/16","Backend":{"Type":"vxlan"}}';
    const args = ['config', 'set', '-', '--renumber', '--yes', '--no-wait', '--etcd-endpoints', ETCD_URL];
    const { code, stderr } = await lab().weft('h1', args, { input: config });
    assert.equal(code, 0, stderr);
    const hasRun = async (): Promise<boolean> =>
      /^FLANNEL_SUBNET=10\.6\.[^]*^changed .*FLANNEL_SUBNET$/m.test(await hookLog());
    await waitFor('the command to hear of the new subnet', hasRun, 60_000, 50);
    await waitForLogLine(lab(), 'h1', /running the command of --on-change/);
    assert.ok((await leaseKeys(lab())).some((key) => key.startsWith('10.6.')));
  });

  async function promtool(args: readonly string[], input: string): Promise<string> {
    const { code, stdout, stderr } = await lab().exec('h1', ['promtool', ...args], { input });
    assert.equal(code, 0, stdout + stderr);
    return stdout + stderr;
  }
});

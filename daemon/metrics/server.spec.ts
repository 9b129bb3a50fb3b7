// The metrics server over a host of an in-memory cluster: its answers, and that alerts and
// dashboard use declared names.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import type { Cidr } from '../../lib/address.ts';
import { systemClock } from '../../lib/clock.ts';
import { Histogram } from '../../lib/histogram.ts';
import { encodeLeaseValue } from '../../allocator/registry/lease-value.ts';
import { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import { VXLAN, network, vxlanPeer } from '../../backends/fixture.ts';
import { packageRoot } from '../../lab/package-root.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { waitFor } from '../../lab/wait.ts';
import type { NodeView } from '../view/node-view.ts';
import { EventHub } from '../events/event-hub.ts';
import { EventPublisher } from '../events/event-publisher.ts';
import { INITIAL_DATAPATHS } from '../host/datapath-mode.ts';
import { readHost } from '../host/host-facts.ts';
import type { HttpListener } from '../http/http-listener.ts';
import { NO_TOOLS } from '../kernel/firewall/tools.ts';
import { MemoryKernel } from '../kernel/memory/memory-kernel.ts';
import { createLogRateLimit } from '../log/log-rate-limit.ts';
import { createLogger } from '../log/log.ts';
import { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { OverlayNode } from '../node/overlay-node.ts';
import { parseCommandLine } from '../options/options.ts';
import { forwardingWith } from '../host/forwarding-setup.ts';
import { ProbeHistory } from '../probe/probe-history.ts';
import type { ClusterV1 } from '../../api/index.ts';
import { ClusterDocument } from './cluster-document.ts';
import { HISTOGRAMS } from './histogram-metrics.ts';
import { METRICS } from './metrics.ts';
import { createMetricsRenderer } from './renderer.ts';
import { startMetricsServer } from './server.ts';
import { toRevision } from '../../allocator/registry/registry.ts';

const PEERS = [vxlanPeer(2), vxlanPeer(3)];
const UNUSED = ['weft_path_', 'weft_device_', 'weft_wireguard_'];

const HISTOGRAM_NAMES = HISTOGRAMS.map(({ name }) => name);
const LIVENESS = { reachable: 1, silent: 0, 'overlay-broken': 0, unknown: 0 };

describe('the metrics server', () => {
  let folder: string;
  let registry: MemoryRegistry;
  let registryCache: RegistryCache;
  let member: OverlayNode;
  let kernel: MemoryKernel;
  let server: HttpListener;
  let daemon: NodeView;
  const logged: string[] = [];
  const rtts = new Histogram([0.5, 1]);
  const log = createLogger({ write: (line) => logged.push(line) });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-metrics-'));
    kernel = new MemoryKernel({});
    kernel.tables.addLink({ name: 'eth0' });
    kernel.tables.setAddress('eth0', '10.9.0.1/24' as Cidr);
    const store = new MemoryStore({ clock: new FakeClock() });
    for (const { key, attributes } of PEERS) store.put(key, encodeLeaseValue(attributes));
    registry = new MemoryRegistry(store);
    registryCache = new RegistryCache({ registry, clock: systemClock, random: Math.random });
    registryCache.start();
    await registryCache.ready;
    daemon = await startMember();
    const options = { ip: '127.0.0.1', port: 0, render: createMetricsRenderer(daemon), log };
    server = await startMetricsServer(options, daemon);
    const isDone = (): boolean =>
      member.reconciler.summary().inSync === 2 && member.subnetFile.problem === undefined;
    await waitFor('all is in sync', isDone);
  });
  after(async () => {
    await server.stop();
    await member.stop();
    registryCache.stop();
    registry.close();
    await rm(folder, { recursive: true });
  });

  async function startMember(): Promise<NodeView> {
    const commandLine = parseCommandLine(
      ['--iface=eth0', '--probe-interval=0', `--subnet-file=${folder}/subnet.env`],
      {},
    );
    assert.ok(commandLine.kind === 'run');
    const { options } = commandLine;
    const read = await readHost(kernel, options.interface, { ipv4: true, ipv6: false });
    assert.ok(read.ok);
    const events = new EventHub();
    member = new OverlayNode({
      clock: systemClock,
      options,
      config: network('4', VXLAN),
      datapaths: INITIAL_DATAPATHS,
      canUseUserspace: true,
      router: forwardingWith(options, NO_TOOLS),
      registry,
      registryCache,
      kernel,
      subnetFile: new SubnetFileWriter({
        path: options.subnetFile,
        clock: systemClock,
        log,
        onChange: () => undefined,
      }),
      snapshot: read.snapshot,
      log,
      limit: createLogRateLimit(),
      events: new EventPublisher(events),
      onChange: () => undefined,
      onReconciled: () => undefined,
      onFirstSync: () => undefined,
      onFatal: assert.fail,
    });
    member.start();
    const { leaseManager, reconciler, subnetFile, config, snapshot } = member;
    const probes = new ProbeHistory();
    const rtt = { minMs: 1, avgMs: 2, p50Ms: 2, maxMs: 3 };
    probes.record(PEERS[0]!.key, {
      atMs: 0,
      report: { address: PEERS[0]!.attributes.publicIp!, sent: 4, received: 3, rtt, errors: [] },
    });
    const status = { revision: 7, counts: { applied: 2, rejected: 1 } };
    return {
      options,
      clock: systemClock,
      addon: { native: undefined, reason: 'not needed here' },
      events,
      startedMs: systemClock.nowMs(),
      readiness: {
        phase: '',
        error: undefined,
        missingIpv6: undefined,
        leaseManager,
        reconciler,
        subnetFile,
        registryCache,
        config: {
          ...status,
          revision: toRevision(status.revision),
          rejected: { revision: toRevision(8), reason: 'it is wrong' },
        },
      },
      registryCache,
      config,
      snapshot,
      leaseManager,
      network: member.network,
      migration: undefined,
      offload: { statuses: new Map([[4, { state: 'bad', sinceMs: 0, peers: [] }]]) },
      liveness: {
        of: () => undefined,
        counts: () => LIVENESS,
        problems: () => [],
        rtts: () => rtts.snapshot(),
        retry: () => Promise.resolve(),
      },
      probes,
      reconciler,
      kernel,
      packetPath: undefined,
      hook: { isRunning: false, counts: { ok: 3, failed: 1, timeout: 0 } },
    };
  }

  const ask = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}${path}`, init);
  const scrape = async (): Promise<string> => (await ask('/metrics')).text();

  for (const path of ['/metrics', '/cluster.json', '/', '/none'])
    it(`rejects ${path} under a foreign name, as DNS rebinding asks`, async () => {
      const headers = { Host: 'evil.example' };
      const [response] = (await once(get({ port: server.port, path, headers }), 'response')) as [
        IncomingMessage,
      ];
      assert.equal(response.statusCode, 421);
      assert.equal(
        await readText(response),
        '421 "evil.example" is no name of this host: use its address, or add the name to --metrics-hosts\n',
      );
    });

  it('serves the state of the host', async () => {
    const lines = new Set((await scrape()).split('\n'));
    const expected = [
      'weft_health{health="ok"} 0',
      'weft_health{health="degraded"} 1',
      'weft_lease_state{state="held"} 1',
      'weft_registry_connected 1',
      'weft_config_revision 7',
      'weft_config_rejected 1',
      'weft_config_documents_total{outcome="rejected"} 1',
      'weft_pool_used_subnets 3',
      'weft_peers{state="in-sync"} 2',
      'weft_peers{state="error"} 0',
      'weft_peers_by_mode{mode="tunnel"} 2',
      'weft_overlay_mtu_bytes 1450',
      'weft_kernel_steps_total{kind="fdb",action="set"} 2',
      'weft_kernel_drift_total{kind="route"} 0',
      'weft_events_total{code="lease-created"} 1',
      'weft_on_change_runs_total{outcome="ok"} 3',
      'weft_probe_peers 1',
      'weft_checksum_offload_found{device="flannel.1",found="bad"} 1',
      'weft_checksum_offload_found{device="flannel.1",found="good"} 0',
      'weft_probe_loss_ratio 0.25',
      'weft_probe_mean_rtt_seconds 0.002',
    ];
    assert.deepEqual(
      expected.filter((line) => !lines.has(line)),
      [],
    );
  });

  it('serves histograms as Prometheus reads them', async () => {
    for (const rttMs of [0.4, 0.6, 3]) rtts.observe(rttMs);
    const lines = (await scrape()).split('\n');
    const ofRtts = lines.filter(
      (line) => line.includes('weft_liveness_rtt_seconds') && !line.includes('HELP'),
    );
    assert.deepEqual(ofRtts, [
      '# TYPE weft_liveness_rtt_seconds histogram',
      'weft_liveness_rtt_seconds_bucket{le="0.0005"} 1',
      'weft_liveness_rtt_seconds_bucket{le="0.001"} 2',
      'weft_liveness_rtt_seconds_bucket{le="+Inf"} 3',
      'weft_liveness_rtt_seconds_sum 0.004',
      'weft_liveness_rtt_seconds_count 3',
    ]);
  });

  it('counts drift and its repair', async () => {
    kernel.tables.removeRoute({ destination: '10.5.2.0/24' as Cidr });
    await waitFor('the drift shows', async () =>
      /^weft_kernel_drift_total\{kind="route"\} 1$/m.test(await scrape()),
    );
  });

  it('serves every declared metric and no value of a single peer', async () => {
    const text = await scrape();
    const served = new Set(Array.from(text.matchAll(/^# TYPE (\S+) /gm), ([, name]) => name!));
    const names = [...METRICS.map(({ name }) => name), ...HISTOGRAM_NAMES];
    const isUnused = (name: string): boolean => UNUSED.some((prefix) => name.startsWith(prefix));
    assert.deepEqual(
      names.filter((name) => !isUnused(name) && !served.has(name)),
      [],
    );
    assert.deepEqual(
      [...served].filter((name) => !names.includes(name)),
      [],
    );
    for (const { key, attributes } of PEERS)
      for (const own of [key, attributes.publicIp!]) assert.ok(!text.includes(own), own);
  });

  it('declares every name that alerts and dashboard use', async () => {
    const series = HISTOGRAM_NAMES.flatMap((name) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]);
    const names = new Set([...METRICS.map(({ name }) => name), ...series]);
    const labels = new Set(['job', 'instance', 'le', ...METRICS.flatMap((metric) => metric.labels ?? [])]);
    for (const file of ['deploy/prometheus/weft.rules.yml', 'deploy/grafana/weft.json']) {
      const text = await readFile(join(packageRoot(), file), 'utf8');
      const used = new Set(text.match(/\b(?:weft|process|nodejs)_[a-z_]+\b/g));
      assert.ok(used.size > 15, file);
      assert.deepEqual(
        [...used].filter((name) => !names.has(name)),
        [],
        file,
      );
      const named = Array.from(text.matchAll(/[{,]\s*(\w+)(?:=~?|!=)\\?"/g), ([, label]) => label!);
      assert.deepEqual(
        named.filter((label) => !labels.has(label)),
        [],
        file,
      );
    }
  });

  it('serves the documents of status and peers as one', async () => {
    const answer = await ask('/cluster.json');
    assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
    const { status, peers } = (await answer.json()) as ClusterV1;
    assert.deepEqual([status.peers.total, peers.map(({ key }) => key)], [2, PEERS.map(({ key }) => key)]);
  });

  it('rebuilds that document at most once a second', () => {
    let nowMs = systemClock.nowMs();
    const cluster = new ClusterDocument({ ...daemon, clock: { nowMs: () => nowMs } });
    const first = cluster.text();
    nowMs += 1000;
    assert.equal(cluster.text(), first);
    nowMs += 1;
    assert.notEqual(cluster.text(), first);
  });

  it('serves a page that loads from its own origin alone and cannot be framed', async () => {
    const answer = await ask('/');
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8');
    const policy = answer.headers.get('content-security-policy') ?? '';
    assert.match(
      policy,
      /^default-src 'none'; script-src 'sha256-\S+'; style-src 'sha256-\S+'; connect-src 'self'; /,
    );
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.doesNotMatch(await answer.text(), /https?:\/\/(?!www\.w3\.org\/)/);
  });

  for (const [path, method, status, allow] of [
    ['/', 'GET', 200, null],
    ['/metrics', 'GET', 200, null],
    ['/runbook', 'GET', 200, null],
    ['/history.json', 'GET', 200, null],
    ['/events.json', 'GET', 200, null],
    ['/cluster.json', 'HEAD', 200, null],
    ['/none', 'GET', 404, null],
    ['/metrics', 'POST', 405, 'GET, HEAD'],
  ] as const)
    it(`protects its answer to ${method} ${path}`, async () => {
      const answer = await ask(path, { method });
      const { headers } = answer;
      assert.deepEqual([answer.status, headers.get('allow')], [status, allow]);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'/);
      assert.match(headers.get('content-type') ?? '', /; charset=utf-8/);
      assert.ok(Number(headers.get('content-length')) > 0);
    });

  it('rejects other methods and other paths', async () => {
    const statuses = [
      ask('/cluster.json', { method: 'POST' }),
      ask('/v1/options'),
      ask('/constructor'),
      ask('/metrics?x=1'),
    ].map(async (answer) => (await answer).status);
    assert.deepEqual(await Promise.all(statuses), [405, 404, 404, 200]);
    assert.deepEqual(
      logged.filter((line) => /ERROR/.test(line)),
      [],
    );
  });
});

// Exit codes of every command, and which of the daemon's answers it prints, over a scripted daemon.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WeftError } from '../api/errors.ts';
import { COMMANDS } from './commands.ts';
import { NoDaemonError, RejectedError } from './client/control-client.ts';
import type { Check, Found } from './doctor/check.ts';
import { CHECKS } from './doctor/run-checks.ts';
import { DEVICES, COUNTERS_AFTER } from './fixture/devices.ts';
import { EVENTS } from './fixture/events.ts';
import { BROKEN_PEERS, DIFF, PEERS } from './fixture/peers.ts';
import { BROKEN_ROUTE, OUTSIDE_ROUTE, ROUTE } from './fixture/routes.ts';
import { BROKEN_STATUS, STATUS } from './fixture/status.ts';
import { runMain } from './run-main.ts';
import { UsageError } from './usage-error.ts';

const NO_DIFF = { ...DIFF, differences: [] };
const LEASE = {
  key: '10.5.1.0-24',
  ipv4: '10.5.1.0/24',
  backend: 'vxlan',
  publicIp: '198.18.1.9',
  value: '{}',
  modRevision: 3,
};
const LEASES = { version: 1, at: STATUS.at, revision: 7, leases: [LEASE] };

const layer = (sent: number, received: number) => ({ address: '10.5.1.0', sent, received, errors: [] });
const pinged = (key: string, overlay?: object, underlay?: object) => ({
  kind: 'peer',
  key,
  ipv4: key.replace('-', '/'),
  publicIp: '198.18.1.9',
  payloadBytes: 56,
  ...(overlay && { overlay }),
  ...(underlay && { underlay }),
});
const GOOD = pinged('10.5.1.0-24', layer(3, 3), layer(2, 2));
const LOSSY = pinged('10.5.2.0-24', layer(3, 3), layer(3, 2));
const LOSSY_OVERLAY = pinged('10.5.3.0-24', layer(3, 0), layer(3, 3));
const UNASKED = pinged('10.5.4.0-24');
const UNDERLAY_ALONE = pinged('10.5.5.0-24', undefined, layer(1, 1));

interface Answer {
  readonly status?: number;
  readonly lines: readonly unknown[];
}
const one = (line: unknown): Answer => ({ lines: [line] });
const rejected = (status: number, code: string): Answer => ({
  status,
  lines: [{ version: 1, error: { code, message: `it is ${code}` } }],
});

/** Arguments, the daemon's answer, the exit code, and what standard output has and has not. */
type Case = readonly [argv: string, answer: Answer, code: number, has?: RegExp, hasNot?: RegExp];
const CASES: readonly Case[] = [
  ['status', one(STATUS), 0, /10\.5\.0\.0\/16/],
  ['status', one({ ...STATUS, health: 'degraded', reasons: ['x'] }), 4],
  ['status', one(BROKEN_STATUS), 5],
  ['status --brief', one(STATUS), 0, /^ok\n$/],
  ['status --brief', one({ ...STATUS, health: 'degraded' }), 4, /^degraded\n$/],
  ['status --brief', one(BROKEN_STATUS), 5, /^not-ready\n$/],
  ['status --json', one(BROKEN_STATUS), 5, /"health": "not-ready"/],
  ['peers', one(PEERS), 0, /10\.5\.100\.0/],
  ['peers', one({ ...PEERS, peers: [] }), 0],
  ['peers', one(BROKEN_PEERS), 4, /10\.5\.100\.0[^]*10\.5\.104\.0[^]*10\.5\.108\.0/],
  ['peers', one({ ...PEERS, peers: [BROKEN_PEERS.peers[1]] }), 4],
  ['peers', one({ ...PEERS, peers: [BROKEN_PEERS.peers[2]] }), 4],
  ['peers --problems', one(BROKEN_PEERS), 4, /10\.5\.104\.0[^]*10\.5\.108\.0/, /10\.5\.100\.0/],
  ['peers --problems', one(PEERS), 0, /^$/],
  ['peers --problems --json', one(PEERS), 0, /"peers": \[\]/],
  ['diff', one(NO_DIFF), 0],
  ['diff', one(DIFF), 4, /10\.5\.250\.0/],
  ['diff', one({ ...DIFF, differences: DIFF.differences.slice(0, 1) }), 4],
  ['diff --json', one(DIFF), 4],
  ['route', one(BROKEN_PEERS), 0, /10\.5\.104\.0/],
  ['route get 10.5.100.2', one(ROUTE), 0],
  ['route get 10.5.100.2', one(BROKEN_ROUTE), 4],
  ['route get 192.0.2.1', one(OUTSIDE_ROUTE), 4],
  ['ping 198.18.1.9', { lines: [GOOD] }, 0],
  ['ping 198.18.1.9', { lines: [UNDERLAY_ALONE] }, 0],
  ['ping 198.18.1.9', { lines: [LOSSY] }, 1],
  ['ping 198.18.1.9', { lines: [LOSSY_OVERLAY] }, 1],
  ['ping 198.18.1.9', { lines: [UNASKED] }, 1],
  [
    'ping --all',
    { lines: [UNDERLAY_ALONE, GOOD] },
    0,
    /10\.5\.1\.0\/24[^]*10\.5\.5\.0\/24[^]*\n2 peers, .*all answered/,
  ],
  [
    'ping --all',
    { lines: [LOSSY_OVERLAY, LOSSY, GOOD] },
    1,
    /10\.5\.1\.0\/24[^]*10\.5\.2\.0\/24[^]*10\.5\.3\.0\/24[^]*\n3 peers, .*2 with losses/,
  ],
  ['ping --all', { lines: [] }, 0, /^no peers/],
  [
    'ping --all --json',
    { lines: [LOSSY, GOOD] },
    1,
    /^\{"kind":"peer","key":"10\.5\.2\.0-24".*\n\{.*"10\.5\.1\.0-24".*\n$/,
  ],
  ['leases', one(LEASES), 0, /10\.5\.1\.0/],
  ['leases list', one(LEASES), 0, /10\.5\.1\.0/],
  ['leases show 10.5.1.0/24', one(LEASES), 0, /198\.18\.1\.9/],
  ['leases show 198.18.1.9', one(LEASES), 0, /10\.5\.1\.0-24/],
  ['leases show 10.5.9.0/24', one(LEASES), 1],
  ['leases release 10.5.9.0/24 --yes', one(LEASES), 1],
  ['leases release 10.5.1.0/24', one(LEASES), 2],
  ['leases reserve 10.5.1.0/24', one({ key: '10.5.1.0-24', outcome: 'reserved' }), 0, /10\.5\.1\.0/],
  ['leases drop 10.5.1.0/24', one(LEASES), 2],
  ['leases show', one(LEASES), 2],
  ['log-level', one({ level: 'warn' }), 0, /^warn\n$/],
  ['log-level debug', one({ level: 'debug' }), 0, /^debug\n$/],
  ['log-level loud', one({ level: 'info' }), 2],
  ['ifconfig', one(DEVICES), 0, /flannel\.1[^]*flannel0/, /eth0: /],
  ['ifconfig -a', one(DEVICES), 0, /flannel\.1[^]*flannel0[^]*eth0: /],
  ['ifconfig --json', one(DEVICES), 0, /"flannel0"/, /"role": "underlay"/],
  ['top -n 2 -d 0.001 --json', one(COUNTERS_AFTER), 0, /^\{.*\n\{.*\n$/],
  ['top -n 0', one(COUNTERS_AFTER), 2],
  ['top -d 0', one(COUNTERS_AFTER), 2],
  ['top -d x', one(COUNTERS_AFTER), 2],
  ['watch --once', { lines: EVENTS }, 0, /lease-put|subnet/],
  ['watch --once --topic kernel', { lines: EVENTS }, 0, /drift/i, /Registry lost|is ok/],
  ['watch --once --topic kernel --topic health', { lines: EVENTS }, 0, /drift[^]*is ok/i, /Registry lost/],
  ['watch --once --topic colour', { lines: EVENTS }, 2],
  ['peers 198.18.1.2', one(PEERS), 0, /10\.5\.100\.0/],
  ['peers db-2', one(PEERS), 2],
  ['drain', one({ state: 'drained' }), 0, /takes no new containers/],
  ['drain --undo', one({ state: 'none' }), 0, /takes containers again/],
  ['drain --release --yes', one({ state: 'released' }), 0, /lease of this host is released/],
  ['drain --release', one({ state: 'released' }), 2],
  ['drain --release --undo', one({ state: 'none' }), 2],
  ['watch -n x', { lines: EVENTS }, 2],
  ['watch', { lines: EVENTS }, 3, /Registry lost/],
  ['schema', one({}), 0, /"\$schema"/],
  ['version', one({}), 0, /^weft \d/],
  ['help', one({}), 0, /daemon/],
  ['completion bash', one({}), 0, /complete/],
  ['completion csh', one({}), 2],
  ['man', one({}), 0, /^\.TH /m],
  ['config', one({}), 2],
  ['config validate /dev/null', one({}), 1, /invalid/],
  ['config validate /nonexistent', one({}), 2],
  ['config schema', one({}), 0, /"\$schema"/],
  ['cni', one({}), 2],
  ['cni install --file x', one({}), 2],
  ['cni install --name ../x', one({}), 2],
  ['doctor --list', one({}), 0],
  ['doctor --only nothing', one({}), 2],
  ['doctor --only test-none', rejected(404, 'not-found'), 0, /No findings in 1 check/],
  ['doctor --only test-none,test-warning', rejected(404, 'not-found'), 4, /1 warning in 2 checks/],
  ['doctor --only test-none,test-error', rejected(404, 'not-found'), 5, /1 error in 2 checks/],
  ['doctor --only test-warning,test-error', rejected(404, 'not-found'), 5, /ERROR[^]*WARNING/],
  ['doctor --only test-error --json', rejected(404, 'not-found'), 5, /"severity": "error"/],
  ['docker-opts -x', one({}), 1],
  ['docker-opts -f /nonexistent -d /nonexistent/file', one({}), 1],
];

/** Commands that print one answer of the daemon. */
const ASKING = [
  'status',
  'peers',
  'diff',
  'route',
  'route get 10.5.1.1',
  'ping --all',
  'leases',
  'log-level',
  'ifconfig',
  'top -n 1',
  'watch --once',
];

const found = (severity: Found['severity']): readonly Found[] => [
  { severity, title: 'It is so', evidence: [], impact: 'none', fix: 'none' },
];
const TEST_CHECKS: readonly Check[] = [
  { id: 'test-none', about: 'whether nothing is found', run: () => Promise.resolve([]) },
  { id: 'test-warning', about: 'whether little is found', run: () => Promise.resolve(found('warning')) },
  { id: 'test-error', about: 'whether more is found', run: () => Promise.resolve(found('error')) },
];

describe('exit codes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-exit-'));
  const socket = join(folder, 'weft.sock');
  let server: Server;
  let answer: Answer = { lines: [] };
  let requested: string[] = [];

  before(async () => {
    (CHECKS as Check[]).push(...TEST_CHECKS);
    server = createServer((request, response) => {
      requested.push(`${request.method} ${request.url}`);
      request.resume();
      response.writeHead(answer.status ?? 200, { Connection: 'close' });
      response.end(answer.lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  after(() => {
    (CHECKS as Check[]).splice(-TEST_CHECKS.length);
    server.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => (requested = []));

  const hasSocket = (name: string): boolean =>
    !['schema', 'version', 'help', 'completion', 'man', 'config', 'cni', 'docker-opts', 'cleanup'].includes(
      name,
    );

  /** The exit code and both streams of a command line, as a process would have them. */
  async function outcomeOf(line: string, path = socket) {
    const [name = '', ...args] = line.split(' ');
    const argv = hasSocket(name) ? [...args, '--socket', path] : args;
    return captured(async () => (await COMMANDS[name]!.load()).run(argv));
  }

  for (const [line, given, code, has = /(?:)/, hasNot = /^\b$/] of CASES)
    it(`weft ${line} exits with ${code} for ${JSON.stringify(given.lines).slice(0, 60)}`, async () => {
      answer = given;
      const { code: actual, out, error } = await outcomeOf(line);
      assert.equal(actual, code, `${out}${error}`);
      assert.match(`${out}${error}`, has);
      assert.doesNotMatch(out, hasNot);
    });

  for (const line of ASKING) {
    it(`weft ${line} exits with 3 without a daemon`, async () => {
      const { code, error } = await outcomeOf(line, join(folder, 'none'));
      assert.equal(code, 3);
      assert.match(error, /^weft: No weft daemon on this host: .*\n$/);
    });
    for (const [status, rejection, expected] of [
      [400, 'bad-request', 2],
      [404, 'not-found', 1],
      [503, 'unavailable', 1],
    ] as const)
      it(`weft ${line} exits with ${expected} for a request that is ${rejection}`, async () => {
        answer = rejected(status, rejection);
        const { code, error } = await outcomeOf(line);
        assert.deepEqual([code, error], [expected, `weft: it is ${rejection}\n`]);
      });
  }

  it('status --brief says down without a daemon', async () => {
    assert.deepEqual(await outcomeOf('status --brief', join(folder, 'none')), {
      code: 3,
      out: 'down\n',
      error: '',
    });
  });

  const REQUESTS: readonly (readonly [line: string, requests: readonly string[]])[] = [
    ['status', ['GET /v1/status']],
    ['watch --once -n 7', ['GET /v1/events?last=7&follow=0']],
    ['watch', ['GET /v1/events?last=0']],
    ['route get 10.5.1.1', ['GET /v1/route?to=10.5.1.1']],
    ['log-level', ['GET /v1/log-level']],
    ['log-level debug', ['PUT /v1/log-level']],
    ['ping --all', ['POST /v1/ping']],
    ['leases reserve 10.5.1.0/24', ['POST /v1/leases/reserve']],
    ['leases release 10.5.1.0/24 --yes', ['GET /v1/leases', 'POST /v1/leases/release']],
    ['leases release 10.5.1.0/24', ['GET /v1/leases']],
    ['leases show 10.5.9.0/24', ['GET /v1/leases']],
    ['top -n 2 -d 0.001', ['GET /v1/counters', 'GET /v1/counters', 'GET /v1/counters']],
  ];
  for (const [line, requests] of REQUESTS)
    it(`weft ${line} sends ${requests.join(', ')}`, async () => {
      answer = line.startsWith('leases')
        ? one(LEASES)
        : line.startsWith('top')
          ? one(COUNTERS_AFTER)
          : { lines: [] };
      await outcomeOf(line);
      assert.deepEqual(requested, requests);
    });

  it('docker-opts writes its file', async () => {
    const [from, to] = [join(folder, 'subnet.env'), join(folder, 'opts.env')];
    writeFileSync(from, 'FLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n');
    assert.equal((await outcomeOf(`docker-opts -f ${from} -d ${to}`)).code, 0);
    assert.ok(existsSync(to));
  });

  const ERRORS: readonly (readonly [error: unknown, code: number, text: RegExp])[] = [
    [new UsageError('wrong\nlines'), 2, /^weft: wrong\nlines\n$/],
    [new NoDaemonError('timeout', 'no answer'), 3, /^weft: no answer\n$/],
    [new RejectedError({ code: 'bad-address', message: 'bad' }), 2, /^weft: bad\n$/],
    [new RejectedError({ code: 'not-found', message: 'none' }), 1, /^weft: none\n$/],
    [new WeftError('CNI_FAILED', 'broken'), 1, /^weft: broken \(CNI_FAILED\)\n$/],
    [new WeftError('CNI_INSTALL_FAILED', 'broken'), 1, /^weft: broken\n$/],
    [
      new WeftError('REGISTRY_UNAVAILABLE', 'away'),
      1,
      /^weft: away \(REGISTRY_UNAVAILABLE\); name etcd with --etcd-endpoints .*weft doctor\n$/,
    ],
    [new Error('odd', { cause: new Error('why') }), 1, /^weft: odd.*why/],
  ];
  for (const [thrown, code, text] of ERRORS)
    it(`${String(thrown).replaceAll('\n', ' ')} exits with ${code}`, async () => {
      const outcome = await captured(() => Promise.reject(thrown));
      assert.deepEqual([outcome.code, outcome.out], [code, '']);
      assert.match(outcome.error, text);
    });

  for (const [errno, code] of [
    ['EPIPE', 0],
    ['ENOSPC', 1],
  ] as const)
    it(`are ${code} when standard output fails with ${errno}`, async () => {
      const run = (): Promise<number> => {
        process.stdout.emit('error', Object.assign(new Error(errno), { code: errno }));
        return Promise.resolve(4);
      };
      assert.equal((await captured(run)).code, code);
    });

  it('are those that a command returns', async () => {
    for (const code of [0, 4, 5]) assert.equal((await captured(() => Promise.resolve(code))).code, code);
  });
});

/** Runs `run` as a process would, with exit code and streams caught. */
async function captured(run: () => Promise<number>) {
  const exit = process.exit.bind(process);
  const writes = [process.stdout, process.stderr].map((stream) => ({
    stream,
    write: stream.write.bind(stream),
  }));
  const texts = ['', ''];
  let code: unknown;
  writes.forEach(({ stream }, index) => {
    stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
      texts[index] += chunk.toString();
      const done = rest.find((argument) => typeof argument === 'function');
      if (done !== undefined) (done as () => void)();
      return true;
    };
  });
  process.exit = ((given: unknown) => void (code ??= given)) as typeof process.exit;
  try {
    await runMain(run);
  } finally {
    process.exit = exit;
    for (const { stream, write } of writes) stream.write = write;
    process.stdout.removeAllListeners('error');
  }
  return { code, out: texts[0] ?? '', error: texts[1] ?? '' };
}

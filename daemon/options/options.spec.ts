import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { parseCommandLine } from './options.ts';
import type { DaemonOptions } from './options.ts';

function run(argv: readonly string[], env: Record<string, string> = {}): DaemonOptions {
  const result = parseCommandLine(argv, env);
  if (result.kind !== 'run') assert.fail(inspect(result));
  return result.options;
}

function warningsOf(argv: readonly string[]): readonly string[] {
  const result = parseCommandLine(['--iptables-forward-rules=false', ...argv], {});
  return result.kind === 'run' ? result.warnings : [];
}

function errorsOf(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  const result = parseCommandLine(argv, env);
  return result.kind === 'wrong' ? result.errors : [];
}

describe('parseCommandLine', () => {
  it("uses flannel's defaults", () => {
    assert.deepEqual(run([]), {
      etcd: { endpoints: ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'], prefix: '/coreos.com/network' },
      interface: { names: [], patterns: [] },
      answersPeers: true,
      subnetFile: '/run/flannel/subnet.env',
      subnetLeaseRenewMarginMin: 60,
      subnetLeaseTtlSec: 86_400,
      ipMasq: false,
      ipMasqFullyRandom: true,
      iptablesForwardRules: true,
      iptablesResyncSec: 5,
      ipBlackholeRoute: false,
      setsSysctls: true,
      migrationTimeoutSec: 0,
      probeIntervalSec: 60,
      livenessIntervalSec: 20,
      tuning: { workers: 1, isSourceChecked: true, sourcePorts: 0, inheritsDscp: false, useBpf: true },
      health: { ip: '0.0.0.0', port: 0 },
      metrics: { ip: '0.0.0.0', port: 0 },
      controlSocket: { path: '/run/weft/weft.sock', isRequired: false },
      log: { format: 'human', level: 'info' },
      wireguardKeyFile: '/run/flannel/wgkey',
    });
  });

  const FLANNEL_FLAGS =
    'etcd-endpoints etcd-prefix etcd-keyfile etcd-certfile etcd-cafile etcd-username etcd-password iface iface-regex iface-can-reach subnet-file public-ip public-ipv6 subnet-lease-renew-margin ip-masq ip-masq-fully-random-disable kube-subnet-mgr kube-api-url kubeconfig-file kube-annotation-prefix net-config-path set-node-network-unavailable healthz-ip healthz-port iptables-resync iptables-forward-rules ip-blackhole-route version v vmodule log_backtrace_at'.split(
      ' ',
    );
  for (const name of FLANNEL_FLAGS)
    it(`accepts flannel's --${name}`, () => {
      assert.deepEqual(
        errorsOf([`--${name}=\u0001`]).filter((error) => error.includes('unknown flag')),
        [],
      );
    });

  it('takes every value from flags and from the environment', () => {
    const flags: [string, string][] = [
      ['etcd-endpoints', 'https://10.0.0.1:2379, https://[fd00::1]:2379/'],
      ['etcd-prefix', '/net//a/'],
      ['etcd-certfile', '/c'],
      ['etcd-keyfile', '/k'],
      ['etcd-cafile', '/a'],
      ['etcd-username', 'u'],
      ['etcd-password', 'hunter2'],
      ['iface', 'eth0'],
      ['iface-regex', '^10\\.'],
      ['iface-can-reach', '10.0.0.9'],
      ['public-ip', '192.0.2.1'],
      ['public-ipv6', 'FD00::0:1'],
      ['healthz-ip', '::1'],
      ['healthz-port', '8080'],
      ['subnet-lease-ttl', '10m'],
      ['userspace', 'true'],
      ['no-source-check', 'true'],
      ['bpf', 'off'],
      ['packet-workers', '4'],
      ['source-ports', '8'],
    ];
    const fromFlags = run(flags.map(([name, value]) => `--${name}=${value}`));
    const env = flags.map(([name, value]) => [`FLANNELD_${name.toUpperCase().replaceAll('-', '_')}`, value]);
    assert.deepEqual(run([], Object.fromEntries(env) as Record<string, string>), fromFlags);
    const { etcd } = fromFlags;
    assert.deepEqual(etcd.endpoints, ['https://10.0.0.1:2379', 'https://[fd00::1]:2379']);
    assert.equal(etcd.prefix, '/net/a');
    assert.deepEqual(etcd.tls, { caFile: '/a', client: { certFile: '/c', keyFile: '/k' } });
    assert.equal(etcd.auth?.password.reveal(), 'hunter2');
    assert.equal(fromFlags.interface.publicIpv6, 'fd00::1');
    assert.equal(fromFlags.interface.patterns[0]?.test('10.1.1.1'), true);
    assert.deepEqual(fromFlags.health, { ip: '::1', port: 8080 });
    assert.equal(fromFlags.subnetLeaseTtlSec, 600);
    assert.equal(fromFlags.userspace, true);
    const inheritsDscp = false;
    const tuning = { workers: 4, isSourceChecked: false, sourcePorts: 8, inheritsDscp, useBpf: false };
    assert.deepEqual(fromFlags.tuning, tuning);
  });

  it('takes names of the metrics server', () => {
    assert.deepEqual(run(['--metrics-hosts= Node1.example.com, *.cluster.local']).metrics, {
      ip: '0.0.0.0',
      port: 0,
      hosts: ['node1.example.com', '*.cluster.local'],
    });
    for (const wrong of ['a.example:9090', 'http://a', '*', 'a.*.b', '*a'])
      assert.match(errorsOf([`--metrics-hosts=${wrong}`]).join(), /is no host name; give names like/);
  });

  it('masks the password in every output', () => {
    const options = run(['--etcd-username=u', '--etcd-password=hunter2']);
    const shown = [
      JSON.stringify(options),
      inspect(options, { depth: 9, showHidden: true }),
      String(options.etcd.auth?.password),
    ];
    for (const text of shown) assert.doesNotMatch(text, /hunter2/);
  });

  it('has a name of this host only where one is given', () => {
    assert.equal(run(['--host-name=db-2']).hostName, 'db-2');
    assert.equal(run([]).hostName, undefined);
  });

  it('leaves the datapath to the network config by default', () => {
    assert.equal(run([]).userspace, undefined);
    assert.equal(run(['--userspace=false']).userspace, false);
    assert.equal(run(['--userspace=auto']).userspace, 'auto');
  });

  it('warns of several workers that peers cannot spread flows over', () => {
    assert.match(
      warningsOf(['--packet-workers=2']).join(),
      /^--packet-workers="2": .* arrive at one worker; set --source-ports on all hosts/,
    );
    assert.deepEqual(warningsOf(['--packet-workers=2', '--source-ports=4']), []);
    assert.deepEqual(warningsOf(['--packet-workers=1']), []);
  });

  it('takes several workers that have source ports to spread flows over', () => {
    const { workers, sourcePorts } = run(['--packet-workers=2', '--source-ports=4']).tuning;
    assert.deepEqual([workers, sourcePorts], [2, 4]);
  });

  it('freezes the options deeply', () => {
    const options = run([]);
    assert.ok(Object.isFrozen(options.etcd.endpoints) && Object.isFrozen(options.interface.names));
  });

  const wrong: readonly [string, RegExp][] = [
    ['--subnet-lease-renew-margin=0', /^--subnet-lease-renew-margin="0": .*from 1 to 1439$/],
    ['--subnet-lease-renew-margin=1440', /from 1 to 1439$/],
    ['--subnet-lease-ttl=9', /from 10 to/],
    ['--userspace=yes', /^--userspace="yes": must be one of true, false, auto$/],
    ['--packet-workers=0', /from 1 to 64$/],
    ['--packet-workers=65', /from 1 to 64$/],
    ['--source-ports=65', /from 0 to 64$/],
    ['--kube-subnet-mgr', /^--kube-subnet-mgr: the environment names no node; set NODE_NAME/],
    ['--etcd-certfile=c', /--etcd-certfile and --etcd-keyfile belong together.*set --etcd-keyfile too/],
    ['--etcd-keyfile=k', /set --etcd-certfile too/],
    ['--etcd-username=u', /--etcd-username and --etcd-password belong together.*set --etcd-password too/],
    ['--etcd-password=hunter2', /set --etcd-username too/],
    ['--etcd-endpoints=', /^--etcd-endpoints is empty/],
    ['--etcd-endpoints=, ,', /is empty/],
    ['--etcd-endpoints=ftp://x:1', /"ftp:\/\/x:1" is not http:\/\/host:port/],
    ['--etcd-endpoints=http://', /is not http:\/\/host:port/],
    ['--etcd-endpoints=http://x:99999', /is not http:\/\/host:port/],
    ['--etcd-endpoints=http://root:hunter2@x:2379', /holds a user or password; use --etcd-username/],
    ['--etcd-endpoints=http://a:1,https://b:1', /mixes http:\/\/ and https:\/\//],
    ['--etcd-endpoints=http://a:1/v2', /is not http:\/\/host:port/],
    ['--etcd-cafile=/a', /^--etcd-endpoints has http:\/\/ but .*write https:\/\//],
    ['--etcd-prefix=', /^--etcd-prefix is empty/],
    ['--public-ip=fd00::1', /^--public-ip="fd00::1": must be an IPv4 address$/],
    ['--public-ip=10.0.0.01', /must be an IPv4 address/],
    ['--public-ipv6=10.0.0.1', /^--public-ipv6="10.0.0.1": must be an IPv6 address$/],
    ['--iface-can-reach=example.org', /must be an IPv4 or IPv6 address/],
    ['--iface=', /^--iface= is empty/],
    ['--iface=eth0,eth1', /repeat the flag/],
    ['--iface-regex=(', /^--iface-regex="\(": /],
    ['--iface-regex=\\pL', /\\p is not supported/],
    ['--subnet-file=', /must be the path of a file/],
    ['--subnet-file=/run/flannel/', /must be the path of a file/],
    ['--healthz-port=65536', /from 0 to 65535/],
    ['--healthz-port=-1', /from 0 to 65535/],
    ['--healthz-ip=localhost', /^--healthz-ip="localhost": must be an IPv4 or IPv6 address$/],
    ['--iptables-resync=0', /from 1 to 86400/],
    ['--ip-masq=yes', /^--ip-masq="yes": must be true or false$/],
    ['--log-format=xml', /one of human, json/],
    ['--log-level=trace', /one of debug, info, warn, error/],
    ['--v=high', /^--v="high": must be an integer$/],
    ['--etcd-endpoint=http://x', /did you mean --etcd-endpoints\?$/],
  ];
  for (const [arg, expected] of wrong) {
    it(`rejects ${arg} in one line`, () => {
      const errors = errorsOf([arg]);
      assert.equal(errors.length, 1, inspect(errors));
      assert.match(errors[0] ?? '', expected);
      assert.doesNotMatch(errors[0] ?? '', /hunter2|\n/);
    });
  }

  const stray: readonly [string, RegExp][] = [
    ['/x\r', /="\/x\\r": has a carriage return: .*Unix line ends/],
    ['/x\n', /has a line break/],
    ['"/x"', /has quotes around it.*remove them/],
    ["'/x'", /has quotes around it/],
    ['“/x”', /has quotes around it/],
    ['"/x', /has a quote at one end/],
    ["/x'", /has a quote at one end/],
    ['/x\u00A0', /no-break space/],
    ['\uFEFF/x', /byte order mark/],
    ['/x\u200B', /U\+200B/],
  ];
  for (const [text, expected] of stray)
    for (const name of ['etcd-prefix', 'etcd-endpoints', 'subnet-file', 'iface', 'healthz-port', 'ip-masq'])
      it(`names what does not belong to --${name}=${JSON.stringify(text)}, also as a variable`, () => {
        const variable = `FLANNELD_${name.toUpperCase().replaceAll('-', '_')}`;
        for (const [label, errors] of [
          [`--${name}`, errorsOf([`--${name}=${text}`])],
          [variable, errorsOf([], { [variable]: text })],
        ] as const) {
          assert.ok(errors[0]?.startsWith(`${label}=`) === true, inspect(errors));
          assert.match(errors[0] ?? '', expected);
        }
      });

  it('only warns of such characters in a password, and of a command around all of it', () => {
    const args = ['--etcd-username=u', '--etcd-password="hunter2"'];
    assert.equal(run(args).etcd.auth?.password.reveal(), '"hunter2"');
    assert.match(warningsOf(args)[0] ?? '', /^--etcd-password=\.\.\.: has quotes around it/);
    assert.deepEqual(run(['--on-change=["a b", "c"]']).onChange?.args, ['a b', 'c']);
    assert.match(errorsOf(['--on-change="a b"'])[0] ?? '', /^--on-change=/);
  });

  it('names the variable of an invalid value', () => {
    const env = { FLANNELD_PUBLIC_IP: 'x', FLANNELD_HEALTHZ_PORT: 'y', FLANNELD_ETCD_ENDPOINTS: 'ftp://z' };
    const errors = errorsOf([], env).map((error) => error.split(/[=: ]/)[0]);
    assert.deepEqual(new Set(errors), new Set(Object.keys(env)));
  });

  it('reports all errors at once', () => {
    assert.equal(
      errorsOf([
        '--x',
        '--v=a',
        '--public-ip=b',
        '--etcd-certfile=c',
        '--etcd-endpoints=https://e',
        '--kube-subnet-mgr',
      ]).length,
      5,
    );
  });

  it('rejects an annotation prefix that Kubernetes would reject', () => {
    const argv = ['--kube-subnet-mgr', '--kube-annotation-prefix=X'];
    const line = parseCommandLine(argv, { NODE_NAME: 'a' });
    assert.match(
      line.kind === 'wrong' ? line.errors.join() : '',
      /^--kube-annotation-prefix="X": must be a domain/,
    );
  });

  it('takes the node from NODE_NAME, else from the pod', () => {
    const nodeOf = (env: Record<string, string>): unknown => {
      const line = parseCommandLine(['--kube-subnet-mgr'], env);
      return line.kind === 'run' ? line.options.kubernetes?.node : undefined;
    };
    const pod = { POD_NAME: 'p', POD_NAMESPACE: 'n' };
    assert.deepEqual(nodeOf({ NODE_NAME: 'a', ...pod }), { name: 'a' });
    assert.deepEqual(nodeOf(pod), { podName: 'p', podNamespace: 'n' });
  });

  it('prefers help and version to errors', () => {
    assert.equal(parseCommandLine(['--nonsense', '--help'], {}).kind, 'help');
    assert.equal(parseCommandLine(['-version', '--public-ip=x'], { FLANNELD_V: 'x' }).kind, 'version');
    assert.equal(parseCommandLine([], { FLANNELD_VERSION: 'true' }).kind, 'run');
  });

  it('applies klog levels only without --log-level', () => {
    assert.equal(run(['-v=1']).log.level, 'info');
    assert.equal(run(['-v', '2']).log.level, 'debug');
    assert.equal(run(['-v=9', '--log-level=warn']).log.level, 'warn');
  });

  it('warns of ignored arguments', () => {
    assert.deepEqual(warningsOf([]), []);
    const [warning = ''] = warningsOf([
      '--set-node-network-unavailable',
      'false',
      '--etcd-password',
      'hunter2',
    ]);
    assert.match(warning, /Argument 3 .*\(3\) are ignored; a boolean flag takes its value with =/);
    assert.doesNotMatch(warning, /hunter2/);
  });

  for (const [text, expected] of [
    ['/', '/'],
    ['a/b/', 'a/b'],
    ['/a//b', '/a/b'],
  ])
    it(`parses the prefix ${text} as ${expected}`, () => {
      assert.equal(run([`--etcd-prefix=${text}`]).etcd.prefix, expected);
    });

  const regexps: readonly [string, string, boolean][] = [
    ['eth', 'myeth0', true],
    ['^eth\\d$', 'eth10', false],
    ['(?i)ETH', 'eth0', true],
    ['^en[[:alpha:]]+$', 'enp', true],
    ['\\Aeth0\\z', 'eth01', false],
    ['(?P<n>eth)0', 'eth0', true],
  ];
  for (const [pattern, text, expected] of regexps)
    it(`matches ${pattern} as RE2 does`, () => {
      const [compiled] = run([`--iface-regex=${pattern}`]).interface.patterns;
      assert.equal(compiled?.test(text), expected);
      assert.equal(compiled?.test(text), expected, 'a second time too');
    });

  const endpoints: readonly [string, readonly string[], string][] = [
    ['10.0.0.1:2379', [], 'http://10.0.0.1:2379'],
    ['10.0.0.1:2379', ['--etcd-cafile=a'], 'https://10.0.0.1:2379'],
    ['http://etcd.example', [], 'http://etcd.example:2379'],
    ['http://etcd.example:80', [], 'http://etcd.example:80'],
    ['HTTPS://Etcd.example:443/', [], 'https://etcd.example:443'],
    ['[fd00::1]:2379', [], 'http://[fd00::1]:2379'],
  ];
  for (const [text, more, expected] of endpoints)
    it(`parses the endpoint ${text} as ${expected}`, () => {
      assert.deepEqual(run([`--etcd-endpoints=${text}`, ...more]).etcd.endpoints, [expected]);
    });
});

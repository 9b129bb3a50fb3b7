// `weft docker-opts` and mk-docker-opts.sh as programs: files, arguments, exit codes, and the
// routes of a real kernel.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';

const SUBNET_ENV =
  'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
const ALL = ' --bip=10.5.72.1/24 --ip-masq=false --mtu=1450';

describe('mk-docker-opts.sh', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-docker-opts-'));
    writeFileSync(join(folder, 'subnet.env'), SUBNET_ENV);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function run(args: readonly string[], program = 'mk-docker-opts.sh') {
    const options = { cwd: folder, encoding: 'utf8', env: { PATH: process.env['PATH'] } } as const;
    return spawnSync(join(packageRoot(), 'bin', program), args, options);
  }
  const output = () => readFileSync(join(folder, 'out.env'), 'utf8');

  it('writes a file that a shell can source', () => {
    const result = run(['-f', 'subnet.env', '-d', 'out.env']);
    assert.deepEqual([result.status, result.stdout, result.stderr], [0, '', '']);
    const sourced = spawnSync('sh', ['-c', '. ./out.env; echo "$DOCKER_OPT_BIP,$DOCKER_OPTS"'], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(sourced.stdout, `--bip=10.5.72.1/24,${ALL}\n`);
  });

  it('accepts options together, apart, and with attached values', () => {
    assert.equal(run(['-cf', 'subnet.env', '-kOPTS', '-dout.env', 'more']).status, 0);
    assert.equal(output(), `OPTS="${ALL}"\n`);
    assert.equal(run(['docker-opts', '-i', '-m', '-f', 'subnet.env', '-d', 'out.env'], 'weft').status, 0);
    assert.equal(output(), 'DOCKER_OPT_BIP="--bip=10.5.72.1/24"\nDOCKER_OPT_MTU="--mtu=1450"\n');
  });

  it('overwrites the file with empty options without subnet.env', () => {
    writeFileSync(join(folder, 'out.env'), 'x'.repeat(1000));
    assert.equal(run(['-f', 'none.env', '-d', 'out.env']).status, 0);
    assert.equal(output(), 'DOCKER_OPTS=""\n');
  });

  for (const args of [['-h'], ['-?'], ['-x'], ['-f'], ['-k', 'NO-NAME']])
    it(`answers ${args.join(' ')} with usage, code 1, and no file`, () => {
      const result = run([...args, '-d', 'out.env'].slice(0, args[0] === '-f' ? 1 : undefined));
      assert.equal(result.status, 1);
      assert.match(result.stderr, /^Usage: /);
      assert.ok(!existsSync(join(folder, 'out.env')));
    });

  it('leaves the file unchanged for an invalid FLANNEL_IPMASQ', () => {
    writeFileSync(join(folder, 'subnet.env'), 'FLANNEL_IPMASQ=maybe\n');
    writeFileSync(join(folder, 'out.env'), 'old');
    const result = run(['-f', 'subnet.env', '-d', 'out.env']);
    assert.equal(result.status, 1);
    assert.match(result.stderr, /^weft docker-opts: subnet\.env: FLANNEL_IPMASQ="maybe" is neither/);
    assert.equal(output(), 'old');
  });

  it('names the file that it cannot write', () => {
    const result = run(['-f', 'subnet.env', '-d', 'none/out.env']);
    assert.equal(result.status, 1);
    assert.match(result.stderr, /Cannot write none\/out\.env: .*name another file with -d\n$/);
  });

  it('reports a subnet that is routed to another host after writing the file', () => {
    const routed =
      'ip link add eth0 up type veth peer name eth1 && ip addr add 192.0.2.1/24 dev eth0 && ip route add 10.5.72.0/24 via 192.0.2.2 && exec "$0" "$@"';
    const program = join(packageRoot(), 'bin/mk-docker-opts.sh');
    const args = ['--net', 'sh', '-c', routed, program, '-c', '-f', 'subnet.env', '-d', 'out.env'];
    const elsewhere = spawnSync('unshare', args, { cwd: folder, encoding: 'utf8' });
    assert.equal(elsewhere.status, 1);
    assert.match(elsewhere.stderr, /route to 10\.5\.72\.1\/24 leads to another host/);
    assert.equal(output(), `DOCKER_OPTS="${ALL}"\n`);
  });
});

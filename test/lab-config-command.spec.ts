// `weft config` against a real etcd and daemons that follow: what it shows, refuses, writes, remembers and waits for.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';
import { ETCD_URL } from '../lab/topology.ts';
import { leaseKeys } from './support/daemon-view.ts';
import { shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';

const configOf = (backend: object, network = '10.5.0.0/16') =>
  JSON.stringify({ Network: network, Backend: { Type: 'vxlan', ...backend } });

describe('weft config', () => {
  const lab = useLab({ hosts: 3 });

  before(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
  });

  async function weft(args: readonly string[], input = '', editor = 'false') {
    const program = [
      'env',
      `EDITOR=${editor}`,
      'VISUAL=',
      `WEFT_NODE=${process.execPath}`,
      join(packageRoot(), 'bin', 'weft'),
      'config',
    ];
    const { code, stdout, stderr } = await lab().exec(
      'etcd',
      [...program, ...args, '--etcd-endpoints', ETCD_URL],
      { input },
    );
    return { code, stdout, stderr };
  }

  /** The output of a change whose wait for hosts ends by Ctrl-C. */
  async function interruptedSet(text: string): Promise<string> {
    const program = `WEFT_NODE=${process.execPath} ${join(packageRoot(), 'bin', 'weft')}`;
    const script = `out=$(mktemp)
${program} config set - --yes --etcd-endpoints ${ETCD_URL} >$out <<'END' &
${text}
END
pid=$!
until grep -q 'waiting for' $out; do sleep 0.1; done
kill -INT $pid; wait $pid; echo code $?; cat $out; rm $out`;
    // Children of a shell without job control ignore SIGINT.
    const { stdout } = await lab().exec('etcd', ['bash', '--norc', '-m', '-c', script]);
    assert.match(stdout, /^code 4$/m);
    return stdout;
  }

  const onAll = async (mtu: number) => {
    const isSo = (name: string) => shellTest(lab(), name, `ip link show flannel.1 | grep -q "mtu ${mtu} "`);
    return (await Promise.all(lab().topology.hosts.map(({ name }) => isSo(name)))).every(Boolean);
  };

  it('writes a file without its comments, and returns when every host has applied it', async () => {
    const document = `{ // for the new switches\n "Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "MTU": 1400,} }`;
    const { code, stdout } = await weft(['set', '-', '--yes', '--reason', 'new switches'], document);
    assert.match(stdout, /Backend\.MTU: unset -> 1400[\s\S]*3 of 3 hosts have followed/);
    assert.equal(code, 0);
    assert.ok(await onAll(1350));
    assert.deepEqual(JSON.parse((await weft(['get'])).stdout), JSON.parse(configOf({ MTU: 1400 })));
  });

  it('rejects invalid and misspelt keys with their position, and writes nothing', async () => {
    for (const [text, reason] of [
      [configOf({ VNI: 0 }), /error: \/Backend\/VNI \(0\) must be/],
      [configOf({ DirectRouteing: true }), /error: \/Backend\/DirectRouteing .*did you mean DirectRouting/],
    ] as const) {
      const { code, stderr } = await weft(['set', '-', '--yes'], text);
      assert.match(stderr, reason);
      assert.equal(code, 2);
    }
    assert.ok(await onAll(1350));
  });

  it('asks, and without a terminal or --yes writes nothing', async () => {
    const { code, stderr } = await weft(['set', '-'], configOf({ MTU: 1300 }));
    assert.match(stderr, /nothing was written.*--yes/);
    assert.equal(code, 2);
  });

  it('writes no config that renumbers hosts without --renumber', async () => {
    const before = await leaseKeys(lab());
    const other = configOf({ MTU: 1400 }, '10.6.0.0/16');
    const { stdout, stderr, code } = await weft(['set', '-', '--yes'], other);
    assert.match(stdout, /3 of 3 hosts get another subnet/);
    assert.match(stderr, /--renumber/);
    assert.equal(code, 2);
    assert.deepEqual(await leaseKeys(lab()), before);
  });

  it('remembers who wrote what and why, notices what others wrote, and takes it back', async () => {
    await lab().putConfig(configOf({ MTU: 1380 }));
    const versions = JSON.parse((await weft(['history', '--json'])).stdout) as readonly {
      modRevision: number;
      text: string;
      note: { author?: string; reason?: string; isExternal?: boolean };
    }[];
    const [noticed, written] = versions;
    assert.equal(noticed?.note.isExternal, true);
    assert.match(noticed?.text ?? '', /1380/);
    assert.equal(written?.note.reason, 'new switches');
    assert.match(written?.note.author ?? '', /@/);
    const { code, stdout } = await weft(['rollback', String(written?.modRevision), '--yes']);
    assert.match(stdout, /3 of 3 hosts have followed/);
    assert.equal(code, 0);
    assert.ok(await onAll(1350));
  });

  it('writes what an editor made of it, and nothing if the editor failed', async () => {
    await lab().putConfig(configOf({ MTU: 1380 }));
    const { code, stdout } = await weft(['edit', '--yes'], '', 'sed -i s/1380/1390/');
    assert.match(stdout, /Backend\.MTU: 1380 -> 1390[\s\S]*3 of 3 hosts have followed/);
    assert.equal(code, 0);
    const failed = await weft(['edit', '--yes'], '', 'false');
    assert.match(failed.stderr, /The editor false ended with exit code 1; nothing was written/);
    assert.equal(failed.code, 2);
    assert.deepEqual(JSON.parse((await weft(['get'])).stdout), JSON.parse(configOf({ MTU: 1390 })));
  });

  it('keeps what an editor made of it if that is no config', async () => {
    const { code, stderr } = await weft(['edit', '--yes'], '', 'sed -i s/1390/wide/');
    assert.equal(code, 2);
    const [, path] = /^Your text is in (\S+): weft config set \1$/m.exec(stderr) ?? [];
    assert.ok(path !== undefined, stderr);
    assert.match(await lab().check('etcd', ['cat', path]), /wide/);
  });

  it('keeps a config that another client wrote during the edit', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-editor-'));
    try {
      const editor = join(folder, 'editor');
      const foreignConfig = configOf({ MTU: 1360 });
      const put = `ETCDCTL_API=3 etcdctl --endpoints ${ETCD_URL} put /coreos.com/network/config '${foreignConfig}'`;
      await writeFile(editor, `#!/bin/sh\n${put} && sed -i s/1390/1350/ "$1"\n`, { mode: 0o755 });
      const { code, stderr } = await weft(['edit', '--yes'], '', editor);
      assert.match(stderr, /^The config changed meanwhile; nothing was written/m);
      assert.equal(code, 1);
      assert.deepEqual(JSON.parse((await weft(['get'])).stdout), JSON.parse(foreignConfig));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('names the host that does not follow', async () => {
    await lab().stopDaemon('h3', 'STOP');
    const { code, stdout } = await weft(['set', '-', '--yes', '--timeout', '4'], configOf({}));
    assert.match(stdout, /198\.18\.1\.3 .*waiting[\s\S]*2 of 3 hosts have followed/);
    assert.match(stdout, /^ {2}waiting for \S+$/m);
    assert.match(stdout, /To take it back: weft config rollback \d+$/m);
    assert.equal(code, 4);
    const interrupted = await interruptedSet(configOf({ MTU: 1380 }));
    await lab().stopDaemon('h3', 'CONT');
    assert.match(
      interrupted,
      /Not waiting any more; the document is written[\s\S]*2 of 3 hosts have followed/,
    );
    assert.match(interrupted, /To take it back: weft config rollback \d+$/m);
  });
});

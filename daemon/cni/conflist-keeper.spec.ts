import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../lab/wait.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLogger } from '../log/log.ts';
import { ConflistKeeper } from './conflist-keeper.ts';

const conflist = (name: string): string => JSON.stringify({ name, plugins: [{ type: 'weft-cni' }] });

describe('the conflist keeper', () => {
  let folder: string;
  let path: string;
  let lines: string[];
  let keeper: ConflistKeeper;
  let versions: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-conflist-'));
    path = join(folder, 'net.d', '10-flannel.conflist');
    lines = [];
    versions = 0;
    await mkdir(join(folder, 'config'));
    await symlink('..data/cni-conf.json', join(folder, 'config/cni-conf.json'));
    const log = createLogger({ write: (line) => lines.push(line) });
    const source = join(folder, 'config/cni-conf.json');
    keeper = new ConflistKeeper({ source, path, clock: systemClock, log, onChange: () => undefined });
  });
  afterEach(async () => {
    await keeper.stop();
    await rm(folder, { recursive: true });
  });

  /** As kubelet changes a ConfigMap. */
  async function put(text: string): Promise<void> {
    const config = join(folder, 'config');
    const version = `..${++versions}`;
    await mkdir(join(config, version));
    await writeFile(join(config, version, 'cni-conf.json'), text);
    await symlink(version, join(config, '..data_tmp'));
    await rename(join(config, '..data_tmp'), join(config, '..data'));
  }
  const installed = (): Promise<string> => readFile(path, 'utf8').catch(() => '');
  const until = (what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> =>
    waitFor(what, async () => isTrue(), 60_000, 5);

  it('writes nothing before the subnet is known', async () => {
    await put(conflist('a'));
    await keeper.stop();
    assert.equal(await installed(), '');
    assert.deepEqual(keeper.status, { path, isInstalled: false });
  });

  it('installs the conflist and follows its ConfigMap', async () => {
    await put(conflist('a'));
    keeper.start();
    for (const name of ['a', 'b', 'c']) {
      await put(conflist(name));
      await until(`${name} to be installed`, async () => (await installed()) === conflist(name));
    }
    await until('the status', () => keeper.status.isInstalled);
    assert.equal(keeper.status.problem, undefined);
  });

  it('keeps the last good one, and names the fault of the new one', async () => {
    await put(conflist('a'));
    keeper.start();
    await until('it to be installed', async () => (await installed()) !== '');
    await put('{"name":"b"');
    await until('the problem', () => keeper.status.problem !== undefined);
    assert.match(keeper.status.problem ?? '', /cni-conf\.json is not JSON/);
    assert.equal(await installed(), conflist('a'));
    assert.match(lines.join(''), /WARN.*do not use the conflist: .*is not JSON/);
  });

  it('names a file of another program that comes first, until it is removed', async () => {
    await put(conflist('a'));
    keeper.start();
    await until('it to be installed', () => keeper.status.isInstalled);
    // None of these is read before it.
    for (const [name, text] of [
      ['05-broken.conf', '{'],
      ['05-other.txt', conflist('x')],
      ['20-later.conflist', conflist('x')],
    ] as const)
      await writeFile(join(folder, 'net.d', name), text);
    const other = join(folder, 'net.d/05-calico.conflist');
    await writeFile(other, conflist('calico'));
    await until('the problem', () => keeper.status.precededBy === other);
    assert.match(keeper.status.problem ?? '', /05-calico\.conflist comes before 10-flannel\.conflist/);
    assert.match(lines.join(''), /WARN.*05-calico\.conflist comes before/);
    await rm(other);
    await until('the problem to end', () => keeper.status.problem === undefined);
    assert.equal(keeper.status.isInstalled, true);
  });
});

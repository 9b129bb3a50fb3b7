import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ConflistV1 } from '../../api/index.ts';
import type { Finding } from './check.ts';
import { CNI_CHECKS } from './checks-cni.ts';
import type { Facts } from './facts.ts';
import { runChecks } from './run-checks.ts';

const PATH = '/etc/cni/net.d/10-flannel.conflist';
const CONFLIST = '{"name":"cbr0","plugins":[{"type":"weft-cni"},{"type":"portmap"}]}';

describe('the checks of what container runtimes call', () => {
  let root: string;
  beforeEach(async () => {
    root = `${await mkdtemp(join(tmpdir(), 'weft-doctor-cni-'))}/`;
  });
  afterEach(() => rm(root, { recursive: true }));

  const put = async (path: string, text = ''): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  function check(conflist: ConflistV1 | undefined, files: Readonly<Record<string, string>> = {}) {
    const facts = {
      status: Promise.resolve({ conflist }),
      isKubernetes: Promise.resolve(true),
      path: (path: string) => join(root, path),
      file: (path: string) => Promise.resolve(files[path]),
    };
    return runChecks(facts as unknown as Facts, CNI_CHECKS);
  }
  const titles = (findings: readonly Finding[]): string[] => findings.map(({ title }) => title);

  it('find nothing without a conflist, and nothing wrong with a good one', async () => {
    assert.deepEqual(await check(undefined), []);
    for (const name of ['weft-cni', 'bridge', 'host-local', 'portmap']) await put(`opt/cni/bin/${name}`);
    assert.deepEqual(await check({ path: PATH, isInstalled: true }, { [PATH.slice(1)]: CONFLIST }), []);
  });

  it('name the file that comes before', async () => {
    const problem = '/etc/cni/net.d/05-x.conflist comes before 10-flannel.conflist';
    const precededBy = '/etc/cni/net.d/05-x.conflist';
    const [found] = await check({ path: PATH, isInstalled: true, precededBy, problem });
    assert.equal(found?.title, 'Container runtimes use the network of another program');
    assert.match(found?.fix ?? '', /^rm \/etc\/cni\/net\.d\/05-x\.conflist/);
  });

  it('name plugins that are missing, those of weft-cni included', async () => {
    await put('opt/cni/bin/weft-cni');
    await put('opt/cni/bin/bridge');
    const found = await check({ path: PATH, isInstalled: true }, { [PATH.slice(1)]: CONFLIST });
    assert.deepEqual(titles(found), ['CNI plugins are missing: host-local, portmap']);
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, environmentOf, inputsOf, scriptsOf } from './suite-inputs.ts';

describe('inputs of a suite', () => {
  it('are all files that it imports, over any number of steps, and scripts that it starts', () => {
    const scripts = scriptsOf('dist/test/path-router.spec.js');
    for (const name of ['send-datagrams.js', 'path-host.js', 'path-end.js', 'proc-net.js'])
      assert.ok(scripts.includes(`dist/test/support/path/${name}`), name);
    assert.ok(scripts.includes('dist/native/packet-path.js'));
  });

  it('include weft and its plugin where it starts them, and not where it loads the addon alone', () => {
    for (const suite of ['lab-cluster', 'lab-docs', 'cni-plugin', 'root/docker', 'cli'])
      for (const program of ['dist/weft.mjs', 'dist/weft-cni.cjs', 'bin'])
        assert.ok(inputsOf(`dist/test/${suite}.spec.js`).includes(program), `${suite}: ${program}`);
    for (const suite of ['path-wire', 'path-integrity', 'netlink-kernel', 'packet-differential']) {
      const inputs = inputsOf(`dist/test/${suite}.spec.js`);
      assert.ok(!inputs.includes('dist/weft.mjs'), suite);
      assert.ok(inputs.includes('native/build/weft.node'), suite);
    }
  });

  it('include the documents where it reads them', () => {
    assert.ok(inputsOf('dist/test/lab-docs.spec.js').includes('docs'));
    assert.ok(!inputsOf('dist/test/lab-cluster.spec.js').includes('docs'));
  });
});

describe('digest of inputs', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'weft-inputs-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('differs with the content of a file, its name, its absence and each remark', () => {
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
    const digests = [digestOf([folder], [])];
    write('a', '1');
    digests.push(digestOf([folder], []), digestOf([folder], ['v20']), digestOf([folder], ['v22']));
    write('a', '2');
    digests.push(digestOf([folder], []));
    write('b', '1');
    digests.push(digestOf([folder], []));
    assert.equal(new Set(digests).size, digests.length);
    assert.equal(digestOf([folder], []), digests.at(-1));
  });

  it('differs with the variables that suites read, and with a tool', () => {
    const before = environmentOf(['sh']);
    process.env['PATH_KERNEL'] = '1';
    try {
      assert.notDeepEqual(environmentOf(['sh']), before);
    } finally {
      delete process.env['PATH_KERNEL'];
    }
    assert.notDeepEqual(environmentOf(['cat']), environmentOf(['sh']));
    assert.deepEqual(environmentOf(['no-such-tool']).at(-1), 'no-such-tool');
  });
});

// Where plugins are found, and what becomes of the ends of one.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CNI_CODES, CniError } from './cni-error.ts';
import * as delegate from './delegate.ts';
import { withVersion } from './delegate.ts';
import type { DelegateConfig } from './delegate-config.ts';
import { perform } from './local-host.ts';
import type { Environment } from './plan.ts';

const CONFIG = { type: 'bridge', cniVersion: '1.0.0' } as unknown as DelegateConfig;

const findPlugin = (type: string, environment: Environment) =>
  perform(delegate.findPlugin(type, environment));
const runPlugin = (config: DelegateConfig, environment: Environment) =>
  perform(delegate.runPlugin(config, environment));
const supportedVersions = (config: DelegateConfig, environment: Environment) =>
  perform(delegate.supportedVersions(config, environment));

describe('a delegate', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-delegate-'));
    for (const name of ['a', 'b', 'c']) mkdirSync(join(folder, name));
    plugin('a/bridge', '', 0o644);
    plugin('b/bridge', 'cat');
    plugin('c/bridge', 'exit 7');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const plugin = (name: string, script: string, mode = 0o755): void =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode });
  const pathOf = (...names: readonly string[]): string =>
    names.map((name) => (name === '' ? '' : join(folder, name))).join(':');
  const failsWith = (cniCode: number, message: RegExp, details?: string) => (error: unknown) => {
    assert.ok(error instanceof CniError);
    assert.deepEqual([error.cniCode, error.details], [cniCode, details], error.message);
    assert.match(error.message, message);
    return true;
  };

  for (const [path, found] of [
    [['b', 'c'], 'b/bridge'],
    [['c', 'b'], 'c/bridge'],
    [['', 'a', '', 'c', ''], 'c/bridge'],
  ] as const)
    it(`is the first program of ${path.join(':')}`, () =>
      assert.equal(findPlugin('bridge', { CNI_PATH: pathOf(...path) }), join(folder, found)));

  for (const [name, environment, message] of [
    ['no CNI_PATH', {}, /There is no plugin bridge in CNI_PATH, which is empty: install/],
    ['an empty CNI_PATH', { CNI_PATH: ':' }, /in CNI_PATH, which is empty: install/],
    ['no folder that has it', { CNI_PATH: '/none/a:/none/b' }, /bridge in \/none\/a, \/none\/b: install/],
  ] as const)
    it(`is not found with ${name}`, () =>
      assert.throws(() => findPlugin('bridge', environment), failsWith(CNI_CODES.NO_DELEGATE, message)));

  it('gets the config and the environment', () => {
    plugin('b/bridge', 'cat; echo " $CNI_IFNAME"');
    const environment = { CNI_PATH: pathOf('b'), CNI_IFNAME: 'net7', PATH: process.env['PATH'] };
    assert.equal(runPlugin(CONFIG, environment), `${JSON.stringify(CONFIG)} net7\n`);
  });

  for (const [script, code, message, details] of [
    ['exit 7', CNI_CODES.DELEGATE_FAILED, /^bridge ended with exit code 7 and no answer$/],
    ['kill -9 $$', CNI_CODES.DELEGATE_FAILED, /^bridge ended with SIGKILL and no answer$/],
    ['printf oops; exit 8', CNI_CODES.DELEGATE_FAILED, /exit code 8/, 'oops'],
    ['printf "{}"; exit 9', CNI_CODES.DELEGATE_FAILED, /exit code 9/, '{}'],
    [`printf '{"code":7}'; exit 1`, CNI_CODES.DELEGATE_FAILED, /exit code 1/, '{"code":7}'],
    [`printf '{"code":"7","msg":"x"}'; exit 1`, CNI_CODES.DELEGATE_FAILED, /./, '{"code":"7","msg":"x"}'],
    [`printf '{"code":11,"msg":"busy"}'; exit 1`, 11, /^bridge: busy$/],
    [`printf '{"code":12,"msg":"x","details":""}'; exit 1`, 12, /^bridge: x$/],
    [`printf '{"code":13,"msg":"x","details":"why"}'; exit 1`, 13, /^bridge: x$/, 'why'],
  ] as const)
    it(`that does ${script} fails with code ${code}`, () => {
      plugin('b/bridge', script);
      const run = (): unknown => runPlugin(CONFIG, { CNI_PATH: pathOf('b'), PATH: process.env['PATH'] });
      assert.throws(run, failsWith(code, message, details));
    });

  it('that cannot run is named', () => {
    writeFileSync(join(folder, 'b/bridge'), '#!/no/interpreter\n', { mode: 0o755 });
    const run = (): unknown => runPlugin(CONFIG, { CNI_PATH: pathOf('b') });
    assert.throws(run, failsWith(CNI_CODES.DELEGATE_FAILED, /^Cannot run \S+b\/bridge: .*ENOENT/));
  });

  for (const [answer, versions] of [
    ['{"supportedVersions":["0.3.1","0.4.0"]}', ['0.3.1', '0.4.0']],
    ['{}', []],
  ] as const)
    it(`that answers VERSION with ${answer} supports ${versions.join(', ') || 'none'}`, () => {
      plugin('b/bridge', `[ "$CNI_COMMAND" = VERSION ] && echo '${answer}'`);
      const environment = { CNI_PATH: pathOf('b'), CNI_COMMAND: 'ADD', PATH: process.env['PATH'] };
      assert.deepEqual(supportedVersions(CONFIG, environment), versions);
    });

  for (const [prevResult, expected] of [
    [
      { ips: [7], cniVersion: '1.0.0' },
      { ips: [7], cniVersion: '0.4.0' },
    ],
    [{}, { cniVersion: '0.4.0' }],
    [undefined, undefined],
    ['text', 'text'],
  ] as const)
    it(`has one version in the config and in prevResult ${JSON.stringify(prevResult)}`, () => {
      const config = { ...CONFIG, ...(prevResult !== undefined && { prevResult }) };
      const adapted = withVersion(config, '0.4.0') as DelegateConfig & { readonly prevResult?: unknown };
      assert.deepEqual([adapted.cniVersion, adapted.type, adapted.prevResult], ['0.4.0', 'bridge', expected]);
    });
});

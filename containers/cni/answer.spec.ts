// What weft-cni answers to environment and standard input: one text, exit code 0 or 1.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answer, type Answer } from './answer.ts';
import { CNI_CODES } from './cni-error.ts';
import type { Environment } from './plan.ts';

const DELEGATE = `#!/bin/sh
printf '%s %s %s\\n' "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_IFNAME" >>"$(dirname "$0")/calls"
[ "$CNI_COMMAND" = VERSION ] && echo '{"supportedVersions":["1.0.0","1.1.0"]}'
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0","ips":[]}'
exit 0
`;

describe('the answer of weft-cni', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-cni-main-'));
    mkdirSync(join(folder, 'bin'));
    for (const name of ['bridge', 'host-local'])
      writeFileSync(join(folder, 'bin', name), DELEGATE, { mode: 0o755 });
    const subnetEnv =
      'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
    writeFileSync(join(folder, 'subnet.env'), subnetEnv);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const start = (environment: Environment, input?: string): Answer => {
    const config = { cniVersion: '1.0.0', name: 'net', type: 'weft-cni', dataDir: join(folder, 'data') };
    const text = input ?? JSON.stringify({ ...config, subnetFile: join(folder, 'subnet.env'), ...MORE });
    return answer({ PATH: process.env['PATH'], ...environment }, () => text);
  };
  const MORE = { 'cni.dev/valid-attachments': [] };
  const usual = (command: string): Record<string, string> => ({
    CNI_COMMAND: command,
    CNI_CONTAINERID: 'a',
    CNI_IFNAME: 'net7',
    CNI_NETNS: '/run/netns/a',
    CNI_PATH: join(folder, 'bin'),
  });

  for (const [command, expected] of [
    ['ADD', '{"cniVersion":"1.0.0","ips":[]}\n'],
    ['DEL', ''],
    ['GC', ''],
    ['STATUS', ''],
  ] as const)
    it(`answers ${command}`, () => {
      assert.deepEqual(start(usual(command)), { text: expected, exitCode: 0 });
    });

  it('answers CHECK of what was added', () => {
    start(usual('ADD'));
    const prevResult = { cniVersion: '1.0.0', ips: [] };
    const input = { cniVersion: '1.0.0', name: 'net', type: 'weft-cni', dataDir: join(folder, 'data') };
    const { exitCode, text } = start(
      usual('CHECK'),
      JSON.stringify({ ...input, subnetFile: join(folder, 'subnet.env'), prevResult }),
    );
    assert.deepEqual([exitCode, text], [0, '']);
  });

  it('removes an attachment whose namespace is gone', () => {
    const { CNI_NETNS: _gone, ...environment } = usual('DEL');
    assert.equal(start(environment).exitCode, 0);
  });

  for (const [input, version] of [
    ['{"cniVersion":"0.4.0"}', '0.4.0'],
    ['{"cniVersion":""}', '1.1.0'],
    ['{}', '1.1.0'],
    ['?', '1.1.0'],
  ] as const)
    it(`answers VERSION to ${input} in ${version}`, () => {
      const { exitCode, text } = start({ CNI_COMMAND: 'VERSION' }, input);
      const result = JSON.parse(text) as { cniVersion: string; supportedVersions: string[] };
      assert.deepEqual([exitCode, result.cniVersion, result.supportedVersions.length], [0, version, 7]);
    });

  it('answers with an error if standard input cannot be read', () => {
    const closed = (): string => {
      throw Object.assign(new Error('EAGAIN: read'), { code: 'EAGAIN', syscall: 'read' });
    };
    const { exitCode, text } = answer(usual('ADD'), closed);
    const error = JSON.parse(text) as { cniVersion: string; code: number };
    assert.deepEqual([exitCode, error.cniVersion, error.code], [1, '1.1.0', CNI_CODES.IO_FAILURE]);
  });

  it('is printed by a program', function () {
    // Two starts of Node.
    this.timeout(20_000);
    const main = fileURLToPath(import.meta.resolve('./main.js'));
    const run = (env: Record<string, string>, input: string) =>
      spawnSync(process.execPath, [main], { env, input, encoding: 'utf8' });
    const failed = run({ CNI_COMMAND: 'GC' }, '{"cniVersion":"0.4.0"}');
    assert.deepEqual([failed.status, failed.stderr], [1, '']);
    assert.match(failed.stdout, /^\{"cniVersion":"0\.4\.0","code":4,"msg":"[^"]*CNI_PATH/);
    const unnamed = run({}, '');
    assert.deepEqual([unnamed.status, unnamed.stdout], [0, '']);
    assert.match(
      unnamed.stderr,
      /^weft-cni, a CNI plugin .*weft cni install.* CNI versions: 0\.1\.0, .*, 1\.1\.0\n$/s,
    );
  });

  const wrong: readonly (readonly [
    what: string,
    command: string,
    change: Readonly<Record<string, string>>,
    input: string | undefined,
    code: number,
    message: RegExp,
  ])[] = [
    [
      'an unknown command',
      'MOVE',
      {},
      undefined,
      4,
      /CNI_COMMAND is "MOVE": give ADD, DEL, CHECK, GC, STATUS or VERSION/,
    ],
    ['a name of Object as command', 'toString', {}, undefined, 4, /CNI_COMMAND is "toString"/],
    ['no container', 'ADD', { CNI_CONTAINERID: '' }, undefined, 4, /CNI_CONTAINERID is ""/],
    ['a path as container', 'DEL', { CNI_CONTAINERID: '../x' }, undefined, 4, /CNI_CONTAINERID is "..\/x"/],
    ['no interface', 'ADD', { CNI_IFNAME: '' }, undefined, 4, /CNI_IFNAME is ""/],
    ['a path as interface', 'ADD', { CNI_IFNAME: '..' }, undefined, 4, /CNI_IFNAME is "\.\."/],
    ['an interface of 16 bytes', 'ADD', { CNI_IFNAME: 'abcdefghijklmnop' }, undefined, 4, /CNI_IFNAME is/],
    ['no namespace', 'ADD', { CNI_NETNS: '' }, undefined, 4, /CNI_NETNS is ""/],
    ['no namespace', 'CHECK', { CNI_NETNS: '' }, undefined, 4, /CNI_NETNS is ""/],
    ['no path', 'DEL', { CNI_PATH: '' }, undefined, 4, /CNI_PATH is ""/],
    ['no path', 'GC', { CNI_PATH: '' }, undefined, 4, /CNI_PATH is ""/],
    ['no JSON', 'ADD', {}, '{', CNI_CODES.DECODING_FAILURE, /is not JSON/],
    ['no name', 'STATUS', {}, '{"cniVersion":"0.4.0"}', CNI_CODES.INVALID_CONFIG, /name is missing/],
  ];
  for (const [what, command, change, input, code, message] of wrong)
    it(`rejects ${command} with ${what}`, () => {
      const { exitCode, text } = start({ ...usual(command), ...change }, input);
      const result = JSON.parse(text) as { cniVersion: string; code: number; msg: string };
      assert.deepEqual([exitCode, result.code], [1, code]);
      assert.equal(result.cniVersion, input === undefined ? '1.0.0' : input === '{' ? '1.1.0' : '0.4.0');
      assert.match(result.msg, message);
    });
});

// The commands of weft-cni with a scripted delegate: what it is asked, for which attachment, and what stays on disk.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CNI_CODES, CniError } from './cni-error.ts';
import { deriveDelegateConfig } from './delegate-config.ts';
import * as hostSubnet from './host-subnet.ts';
import { perform } from './local-host.ts';
import { parseNetwork, type JsonObject } from './network.ts';
import * as plugin from './plugin.ts';
import { version, type AttachmentRequest, type Request } from './plugin.ts';

const readHostSubnet = (path: string) => perform(hostSubnet.readHostSubnet(path));
const add = (request: AttachmentRequest) => perform(plugin.add(request));
const del = (request: AttachmentRequest) => perform(plugin.del(request));
const check = (request: AttachmentRequest) => perform(plugin.check(request));
const collectGarbage = (request: Request) => perform(plugin.collectGarbage(request));
const status = (request: Request) => perform(plugin.status(request));

/**
 * Logs its call, then answers with the first of answer-COMMAND-CONTAINER, answer-COMMAND-VERSION and
 * answer-COMMAND, and fails if there is a file fail-… of one of these names. No other process is started.
 */
const DELEGATE = String.raw`#!/bin/sh
cd "${'${0%/*}'}"
read -r input
version=${'${input#*\'"cniVersion":"\'}'}
version=${"${version%%'\"'*}"}
printf '%s %s %s %s\n' "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_IFNAME" "$input" >>calls
for name in "$CNI_COMMAND-$CNI_CONTAINERID" "$CNI_COMMAND-$version" "$CNI_COMMAND"; do
  [ -e "answer-$name" ] && read -r answer <"answer-$name" && break
done
printf %s "$answer"
for name in "$CNI_COMMAND-$CNI_CONTAINERID" "$CNI_COMMAND-$version" "$CNI_COMMAND"; do
  [ ! -e "fail-$name" ] || exit 1
done
`;
const SUBNET = '10.5.72.1/24';
const subnetEnv = (subnet: string): string =>
  `FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=${subnet}\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n`;
const VERSIONS_1_0 = '{"cniVersion":"1.0.0","supportedVersions":["0.3.1","0.4.0","1.0.0"]}';
const VERSIONS_1_1 = '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}';
const INCOMPATIBLE = '{"code":1,"msg":"no such version"}';

interface Call {
  readonly command: string;
  readonly containerId: string;
  readonly ifname: string;
  readonly config: JsonObject & { readonly ipam: { readonly ranges: unknown } };
}

describe('weft-cni', function () {
  // Each call of the delegate is a process.
  this.timeout(20_000);
  let folder: string;
  let plugins: string;
  let dataDir: string;
  let subnetFile: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-cni-'));
    [plugins, dataDir, subnetFile] = [join(folder, 'bin'), join(folder, 'data'), join(folder, 'subnet.env')];
    mkdirSync(plugins);
    for (const name of ['bridge', 'host-local'])
      writeFileSync(join(plugins, name), DELEGATE, { mode: 0o755 });
    writeFileSync(subnetFile, subnetEnv(SUBNET));
    answer('VERSION', VERSIONS_1_0);
    answer('ADD', '{"cniVersion":"1.0.0","ips":[]}');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const answer = (name: string, text: string): void =>
    writeFileSync(join(plugins, `answer-${name}`), `${text}\n`);
  const fail = (name: string, text = '{"code":111,"msg":"it is broken"}'): void => {
    answer(name, text);
    writeFileSync(join(plugins, `fail-${name}`), '');
  };
  const request = (containerId: string, ifname = 'eth0', more: object = {}): AttachmentRequest => ({
    network: parseNetwork(
      JSON.stringify({ cniVersion: '1.0.0', name: 'net', type: 'weft-cni', dataDir, subnetFile, ...more }),
    ),
    environment: {
      PATH: process.env['PATH'],
      CNI_PATH: plugins,
      CNI_CONTAINERID: containerId,
      CNI_IFNAME: ifname,
    },
    id: { containerId, ifname },
  });
  const withCommand = (command: string, of: AttachmentRequest): AttachmentRequest => ({
    ...of,
    environment: { ...of.environment, CNI_COMMAND: command },
  });
  const adding = (...args: Parameters<typeof request>) => add(withCommand('ADD', request(...args)));
  const deleting = (...args: Parameters<typeof request>) => del(withCommand('DEL', request(...args)));
  const checking = (...args: Parameters<typeof request>) => check(withCommand('CHECK', request(...args)));
  const collecting = (valid: readonly (readonly [string, string])[], more: object = {}): void => {
    const list = valid.map(([containerID, ifname]) => ({ containerID, ifname }));
    collectGarbage(withCommand('GC', request('', '', { 'cni.dev/valid-attachments': list, ...more })));
  };

  /** A file as an earlier ADD left it. */
  const store = (name: string, network: string): void => {
    mkdirSync(dataDir, { recursive: true });
    const config = deriveDelegateConfig(request('').network, readHostSubnet(subnetFile));
    writeFileSync(join(dataDir, name), JSON.stringify({ ...config, name: network }));
  };

  function calls(): Call[] {
    try {
      const lines = readFileSync(join(plugins, 'calls'), 'utf8').trim().split('\n');
      rmSync(join(plugins, 'calls'));
      return lines.map((line) => {
        const [, command = '', containerId = '', ifname = '', input = ''] = /^(\S*) (\S*) (\S*) (.*)$/.exec(
          line,
        )!;
        return { command, containerId, ifname, config: JSON.parse(input || '{}') as Call['config'] };
      });
    } catch {
      return [];
    }
  }
  const summary = (): string[] =>
    calls().map(({ command, containerId, ifname }) => `${command} ${containerId} ${ifname}`.trimEnd());
  const files = (): string[] => {
    try {
      return readdirSync(dataDir).toSorted();
    } catch {
      return [];
    }
  };
  const failsWith = (code: number, message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof CniError);
    assert.deepEqual(
      [error.cniCode, message.test(`${error.message} ${error.details}`)],
      [code, true],
      error.message,
    );
    return true;
  };

  describe('ADD', () => {
    it('stores the config, passes it on and returns the result', () => {
      assert.equal(adding('a', 'net1'), '{"cniVersion":"1.0.0","ips":[]}');
      const [call, ...more] = calls();
      assert.deepEqual([call!.command, call!.containerId, call!.ifname, more], ['ADD', 'a', 'net1', []]);
      assert.deepEqual(call!.config.ipam.ranges, [[{ subnet: '10.5.72.0/24' }]]);
      assert.deepEqual(files(), ['a@net1']);
      assert.deepEqual(JSON.parse(readFileSync(join(dataDir, 'a@net1'), 'utf8')), call!.config);
    });

    it('reverts a failed first attempt', () => {
      fail('ADD');
      assert.throws(() => adding('a'), failsWith(111, /bridge: it is broken/));
      assert.deepEqual(summary(), ['ADD a eth0', 'DEL a eth0']);
      assert.deepEqual(files(), []);
    });

    it('keeps the file of a failed first attempt that cannot be reverted', () => {
      fail('ADD');
      fail('DEL', '{"code":112,"msg":"not that either"}');
      assert.throws(() => adding('a'), failsWith(111, /it is broken/));
      assert.deepEqual(files(), ['a']);
    });

    it('leaves an earlier attachment alone when it fails', () => {
      adding('a');
      calls();
      fail('ADD');
      assert.throws(() => adding('a'), failsWith(111, /it is broken/));
      assert.deepEqual(summary(), ['ADD a eth0']);
      assert.deepEqual(files(), ['a']);
    });

    for (const missing of ['bridge', 'host-local'])
      it(`finds out before any change that ${missing} is missing`, () => {
        rmSync(join(plugins, missing));
        assert.throws(
          () => adding('a'),
          failsWith(CNI_CODES.NO_DELEGATE, new RegExp(`no plugin ${missing} `)),
        );
        assert.deepEqual([summary(), files()], [[], []]);
      });

    it('runs an older delegate in a version that both know, stores that, and answers in its own', () => {
      answer('VERSION', '{"supportedVersions":["0.3.0","0.4.0"]}');
      fail('ADD-1.0.0', INCOMPATIBLE);
      answer('ADD-0.4.0', '{"cniVersion":"0.4.0","ips":[1]}');
      assert.equal(
        adding('a'),
        '{"ips":[1],"cniVersion":"1.0.0"}'.replace('{"ips":[1],', '{').replace('"}', '","ips":[1]}'),
      );
      const versions = calls().map(({ command, config }) => `${command} ${config['cniVersion'] as string}`);
      assert.deepEqual(versions, ['ADD 1.0.0', 'VERSION 1.0.0', 'ADD 0.4.0']);
      const stored = JSON.parse(readFileSync(join(dataDir, 'a'), 'utf8')) as JsonObject;
      assert.equal(stored['cniVersion'], '0.4.0');
    });

    it('takes a blank answer of an older delegate as it is', () => {
      const [incompatible, versions] = [INCOMPATIBLE, '{"supportedVersions":["0.4.0"]}'];
      const script = `case "$CNI_COMMAND $(cat)" in VERSION*) echo '${versions}' ;; *'"0.4.0"'*) echo ' ' ;; *) echo '${incompatible}'; exit 1 ;; esac`;
      writeFileSync(join(plugins, 'bridge'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      assert.equal(adding('a'), ' \n');
    });

    for (const supported of ['["0.1.0"]', '["1.0.0"]', '[]'])
      it(`fails with a delegate that rejects the version and supports ${supported}`, () => {
        answer('VERSION', `{"supportedVersions":${supported}}`);
        fail('ADD-1.0.0', INCOMPATIBLE);
        assert.throws(() => adding('a'), failsWith(CNI_CODES.INCOMPATIBLE_VERSION, /no such version/));
        assert.deepEqual(files(), []);
      });

    it('asks to try again later without a subnet', () => {
      rmSync(subnetFile);
      assert.throws(() => adding('a'), failsWith(CNI_CODES.TRY_AGAIN_LATER, /weft daemon has leased one/));
      assert.deepEqual([summary(), files()], [[], []]);
    });
  });

  describe('DEL', () => {
    it('passes the stored config on, then removes that file alone', () => {
      adding('a');
      adding('a', 'net1');
      calls();
      writeFileSync(subnetFile, subnetEnv('10.5.99.1/24'));
      deleting('a', 'net1', { prevResult: { ips: [7] }, runtimeConfig: { x: 1 } });
      const [call, ...more] = calls();
      assert.deepEqual([call!.command, call!.containerId, call!.ifname, more], ['DEL', 'a', 'net1', []]);
      assert.deepEqual(call!.config.ipam.ranges, [[{ subnet: '10.5.72.0/24' }]]);
      assert.deepEqual(call!.config['prevResult'], { ips: [7], cniVersion: '1.0.0' });
      assert.deepEqual(call!.config['runtimeConfig'], { x: 1 });
      assert.deepEqual(files(), ['a']);
    });

    it('keeps the file when the delegate fails', () => {
      adding('a');
      fail('DEL');
      assert.throws(() => deleting('a'), failsWith(111, /it is broken/));
      assert.deepEqual(files(), ['a']);
    });

    for (const subnet of ['10.5.72.0/24', undefined])
      it(`removes what it can of a damaged file with ${subnet ?? 'no'} subnet`, () => {
        adding('a');
        calls();
        writeFileSync(join(dataDir, 'a'), '{');
        if (subnet === undefined) rmSync(subnetFile);
        deleting('a');
        const [call] = calls();
        assert.deepEqual(call!.config.ipam.ranges, [[{ subnet: subnet ?? '192.0.2.0/24' }]]);
        assert.deepEqual(files(), []);
      });

    it('succeeds for what it does not know, whatever the delegate says', () => {
      deleting('a');
      assert.deepEqual(summary(), ['DEL a eth0']);
      fail('DEL');
      deleting('a');
      rmSync(join(plugins, 'bridge'));
      deleting('a');
    });
  });

  describe('CHECK', () => {
    it('passes the result of ADD on, and changes nothing', () => {
      adding('a');
      calls();
      checking('a', 'eth0', { prevResult: { ips: [8] } });
      const [call, ...more] = calls();
      assert.deepEqual(
        [call!.command, call!.config['prevResult'], more],
        ['CHECK', { ips: [8], cniVersion: '1.0.0' }, []],
      );
      assert.deepEqual(files(), ['a']);
    });

    it('has the delegate’s error', () => {
      adding('a');
      fail('CHECK');
      assert.throws(() => checking('a'), failsWith(111, /it is broken/));
    });

    it('fails if the subnet changed, and names both', () => {
      adding('a');
      calls();
      writeFileSync(subnetFile, subnetEnv('10.5.99.1/24'));
      assert.throws(
        () => checking('a'),
        failsWith(CNI_CODES.SUBNET_CHANGED, /then: .*10\.5\.72\.0.*now: .*10\.5\.99\.0/),
      );
      assert.deepEqual(summary(), []);
    });

    for (const damaged of [false, true])
      it(`fails for a container ${damaged ? 'with a damaged file' : 'that was not added'}`, () => {
        mkdirSync(dataDir);
        if (damaged) writeFileSync(join(dataDir, 'a'), '{');
        assert.throws(() => checking('a'), failsWith(CNI_CODES.UNKNOWN_CONTAINER, /eth0 of container a/));
      });
  });

  describe('GC', () => {
    beforeEach(() => {
      for (const name of ['a', 'a@net1', 'b', 'b@net1', 'c@net1']) store(name, 'net');
      store('d', 'other');
    });

    const cases: readonly (readonly [
      valid: readonly (readonly [string, string])[],
      removed: readonly string[],
      left: readonly string[],
    ])[] = [
      [
        [
          ['a', 'eth0'],
          ['a', 'net1'],
          ['b', 'eth0'],
          ['b', 'net1'],
          ['c', 'net1'],
        ],
        [],
        ['a', 'a@net1', 'b', 'b@net1', 'c@net1', 'd'],
      ],
      [
        [
          ['a', 'eth0'],
          ['b', 'net1'],
        ],
        ['a net1', 'c net1'],
        ['a', 'b', 'b@net1', 'd'],
      ],
      // A file of eth0 may be flannel's, for any interface of its container.
      [[['a', 'net1']], ['b eth0', 'b net1', 'c net1'], ['a', 'a@net1', 'd']],
      [[['c', 'eth0']], ['a eth0', 'a net1', 'b eth0', 'b net1', 'c net1'], ['d']],
      [[], ['a eth0', 'a net1', 'b eth0', 'b net1', 'c net1'], ['d']],
    ];
    for (const [valid, removed, left] of cases)
      it(`keeps ${valid.map((one) => one.join(' ')).join(', ') || 'nothing'}, and other networks`, () => {
        collecting(valid);
        const deleted = summary().filter((line) => !line.startsWith('VERSION'));
        assert.deepEqual(
          deleted.toSorted(),
          removed.map((one) => `DEL ${one}`),
        );
        assert.deepEqual(files(), left);
      });

    it('removes all that it can, and names what it cannot', () => {
      fail('DEL-a');
      fail('DEL-c', '{"code":113,"msg":"nor this"}');
      assert.throws(
        () => collecting([]),
        failsWith(
          CNI_CODES.DELEGATE_FAILED,
          /^Cannot remove every attachment (?=.*eth0 of a: bridge: it is broken)(?=.*net1 of a: )(?=.*net1 of c: bridge: nor this)/,
        ),
      );
      assert.deepEqual(files(), ['a', 'a@net1', 'c@net1', 'd']);
    });

    it('removes a container with a damaged file by its names', () => {
      writeFileSync(join(dataDir, 'b'), '{');
      rmSync(subnetFile);
      collecting(
        [
          ['a', 'eth0'],
          ['a', 'net1'],
          ['b', 'net1x'],
          ['c', 'net1'],
        ].filter(([name]) => name !== 'b') as [string, string][],
      );
      assert.deepEqual(files(), ['a', 'a@net1', 'c@net1', 'd']);
    });

    it('passes the list on to a delegate of version 1.1', () => {
      answer('VERSION', VERSIONS_1_1);
      collecting(
        [
          ['a', 'eth0'],
          ['a', 'net1'],
          ['b', 'eth0'],
          ['b', 'net1'],
          ['c', 'net1'],
        ],
        { cniVersion: '1.1.0' },
      );
      const passed = calls().filter(({ command }) => command === 'GC');
      assert.equal(passed.length, 1);
      assert.equal(passed[0]!.config['cniVersion'], '1.1.0');
      assert.deepEqual((passed[0]!.config['cni.dev/valid-attachments'] as unknown[])[1], {
        containerID: 'a',
        ifname: 'net1',
      });
    });

    it('does nothing without a list', () => {
      const asked = withCommand('GC', request('', ''));
      assert.throws(() => collectGarbage(asked), failsWith(CNI_CODES.INVALID_CONFIG, /valid-attachments/));
      assert.deepEqual([summary(), files().length], [[], 6]);
    });
  });

  describe('STATUS', () => {
    const reporting = (): void => status(withCommand('STATUS', request('', '')));

    it('passes on to a delegate of version 1.1 alone', () => {
      reporting();
      assert.deepEqual(summary(), ['VERSION']);
      answer('VERSION', VERSIONS_1_1);
      reporting();
      assert.deepEqual(summary(), ['VERSION', 'STATUS']);
      fail('STATUS');
      assert.throws(reporting, failsWith(111, /it is broken/));
    });

    for (const [what, spoil] of [
      ['a subnet', () => rmSync(subnetFile)],
      ['the bridge plugin', () => rmSync(join(plugins, 'bridge'))],
      ['host-local', () => rmSync(join(plugins, 'host-local'))],
    ] as const)
      it(`is unavailable without ${what}`, () => {
        spoil();
        assert.throws(reporting, failsWith(CNI_CODES.UNAVAILABLE, /./));
      });
  });

  it('answers VERSION with all versions', () => {
    assert.deepEqual(JSON.parse(version('0.4.0')), {
      cniVersion: '0.4.0',
      supportedVersions: ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    });
  });
});

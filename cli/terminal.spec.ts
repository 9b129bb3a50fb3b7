// Commands against a daemon whose answers are hostile in every string: the terminal gets printable
// text, colours and the lines of the command alone.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { packageRoot } from '../lab/package-root.ts';
import { COMMANDS } from './commands.ts';
import { COUNTERS_AFTER, DEVICES } from './fixture/devices.ts';
import { EVENTS } from './fixture/events.ts';
import { BROKEN_PEERS, DIFF } from './fixture/peers.ts';
import { BROKEN_ROUTE } from './fixture/routes.ts';
import { AT, BROKEN_STATUS } from './fixture/status.ts';

const LEASES = {
  version: 1,
  at: AT,
  revision: 7,
  leases: [
    {
      key: '10.5.1.0-24',
      backend: 'vxlan',
      publicIp: '198.18.1.9',
      value: '{}',
      modRevision: 3,
      problem: 'x',
    },
    { key: '', backend: '', value: 'rubbish', modRevision: 4, isReservation: true },
  ],
};
const ECHO = { kind: 'echo', layer: 'overlay', address: '10.5.1.0', sequence: 1, error: 'no route' };
const REPORT = { address: '10.5.1.0', sent: 3, received: 1, errors: [{ message: 'no route', count: 2 }] };
const PINGED = {
  kind: 'peer',
  key: '10.5.1.0-24',
  ipv4: '10.5.1.0/24',
  publicIp: '198.18.1.9',
  payloadBytes: 56,
  overlay: REPORT,
  underlay: REPORT,
};

/** Command lines with the document, or the lines, that the daemon answers. */
const CASES: readonly (readonly [argv: readonly string[], answer: unknown])[] = [
  [['status'], BROKEN_STATUS],
  [['status', '--brief'], BROKEN_STATUS],
  [['peers'], BROKEN_PEERS],
  [['peers', '--problems'], BROKEN_PEERS],
  [['leases'], LEASES],
  [['leases', 'show', '10.5.1.0-24'], LEASES],
  [['leases', 'reserve', '10.5.1.0/24'], { key: '10.5.1.0-24', outcome: 'reserved' }],
  [['route'], BROKEN_PEERS],
  [['route', 'get', '10.5.1.1'], BROKEN_ROUTE],
  [['ifconfig'], DEVICES],
  [['diff'], DIFF],
  [['watch', '-n', '9', '--once'], EVENTS],
  [
    ['ping', '198.18.1.9'],
    [ECHO, PINGED],
  ],
  [
    ['ping', '--all'],
    [PINGED, PINGED],
  ],
  [['top', '-n', '1', '-d', '0.001'], COUNTERS_AFTER],
  [['log-level'], { level: 'info' }],
];

/** Sequences that a terminal obeys, line breaks, and characters at random. */
const ATTACKS = fc.oneof(
  fc.constantFrom(
    '\u001b]0;x\u0007',
    '\u001b[2J',
    '\u009b31m',
    '\n',
    '\r',
    '\t',
    '\u202e',
    '\u2028',
    '\u001b[31m',
  ),
  fc.integer({ min: 0, max: 0xffff }).map(String.fromCharCode),
);
/** Attacks beside benign text of the same lines. */
const BENIGN = '~';

describe('the terminal', () => {
  let folder = '';
  let socket = '';
  let server: Server;
  let answer: unknown;
  let status = 200;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'weft-terminal-'));
    socket = join(folder, 'weft.sock');
    server = createServer((request, response) => {
      request.resume();
      response.writeHead(status, { Connection: 'close' });
      const lines = Array.isArray(answer) ? answer : [answer];
      response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  /** What a command writes to standard output. */
  async function outputOf([name = '', ...args]: readonly string[]): Promise<string> {
    const command = await COMMANDS[name]!.load();
    const write = process.stdout.write.bind(process.stdout);
    let text = '';
    process.stdout.write = (chunk: string | Uint8Array) => {
      text += chunk.toString();
      return true;
    };
    try {
      await command.run([...args, '--socket', socket]);
    } finally {
      process.stdout.write = write;
    }
    return text;
  }

  for (const [argv, document] of CASES)
    for (const extra of argv[1] === 'show' ? [] : [[], ['--json']])
      it(`of weft ${[...argv, ...extra].join(' ')} gets printable text alone`, async () => {
        const lines = async (attack: string): Promise<readonly string[]> => {
          answer = insertAfterText(document, attack);
          return (await outputOf([...argv, ...extra])).split('\n');
        };
        const expected = await lines(BENIGN);
        const property = async (attack: string): Promise<void> => {
          const printed = await lines(attack);
          for (const line of printed) assert.match(line, /^[^\p{C}\u2028\u2029]*$/u);
          assert.equal(printed.length, expected.length);
        };
        await fc.assert(fc.asyncProperty(ATTACKS, property), { numRuns: Math.min(runs(), 200) });
      });

  it('of a single lease gets printable text alone', async () => {
    const hostile = {
      ...LEASES.leases[0]!,
      backend: 'vxlan\u001b]0;x\u0007',
      value: 'a\nb',
      problem: '\u009b',
    };
    answer = { ...LEASES, leases: [hostile] };
    const text = await outputOf(['leases', 'show', '10.5.1.0-24']);
    assert.match(text, /^backend +vxlan\\u\{1b\}\]0;x\\u\{7\}$/m);
    assert.match(text, /^value +a\\nb$/m);
    assert.match(text, /^problem +\\u\{9b\}$/m);
  });

  it('gets output of one file of the commands', () => {
    const files = readdirSync(join(packageRoot(), 'cli'), { recursive: true, encoding: 'utf8' });
    const writers = files.filter(
      (file) =>
        /(?<!\.spec)\.ts$/.test(file) &&
        /std(?:out|err)\.write|console\./.test(readFileSync(join(packageRoot(), 'cli', file), 'utf8')),
    );
    assert.deepEqual(writers, ['output.ts']);
  });
});

function runs(): number {
  return fc.readConfigureGlobal().numRuns ?? 12;
}

/** A copy of `data` with `attack` at the end of every string but `kind`, which selects the format. */
function insertAfterText(data: unknown, attack: string): unknown {
  if (typeof data === 'string') return data + attack;
  if (Array.isArray(data)) return data.map((item) => insertAfterText(item, attack));
  if (typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      name,
      name === 'kind' ? value : insertAfterText(value, attack),
    ]),
  );
}

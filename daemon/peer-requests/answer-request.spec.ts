import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerAnswerV1 } from '../../api/index.ts';
import { answerRequest, type AskedNode } from './answer-request.ts';
import { parsePeerRequest } from './peer-request.ts';

const NODE = {
  leaseManager: { own: {}, peers: new Map([['peer', {}]]) },
  config: { ipv4: { network: '10.5.0.0/16' } },
  options: { controlSocket: { path: '' } },
} as unknown as AskedNode;
const REQUEST = parsePeerRequest(
  '0123456789abcdef',
  JSON.stringify({ version: 1, from: 'peer', leaseId: '7', ask: { kind: 'doctor', to: '10.5.1.2' } }),
)!;

describe('an answer of a peer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-answer-'));
  const program = join(folder, 'weft.mjs');
  const pidFile = join(folder, 'pid');
  const [, ownProgram = ''] = process.argv;

  before(() => {
    const source = `import { writeFileSync } from 'node:fs';
      writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));
      setInterval(() => undefined, 1000);`;
    writeFileSync(program, source);
    process.argv[1] = program;
  });
  after(() => {
    process.argv[1] = ownProgram;
    rmSync(folder, { recursive: true });
  });

  it('ends its doctor with the request', async () => {
    const answers: PeerAnswerV1[] = [];
    const ended = new AbortController();
    const write = async (answer: PeerAnswerV1): Promise<void> => void answers.push(answer);
    const answered = answerRequest(NODE, REQUEST, write, ended.signal);
    while (!existsSync(pidFile) || readFileSync(pidFile, 'utf8') === '') await sleep(10);
    ended.abort();
    await answered;
    assert.ok(!existsSync(`/proc/${readFileSync(pidFile, 'utf8')}`));
    assert.deepEqual(
      answers.map(({ kind }) => kind),
      ['accepted', 'untested'],
    );
  });
});

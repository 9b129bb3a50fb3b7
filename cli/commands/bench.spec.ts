import assert from 'node:assert/strict';
import { benchCommand } from './bench.ts';

describe('weft bench alone', () => {
  const write = process.stdout.write.bind(process.stdout);
  afterEach(() => Object.assign(process.stdout, { write }));

  it('prints its help and starts nothing', async () => {
    let printed = '';
    Object.assign(process.stdout, { write: (text: string) => ((printed += text), true) });
    const code = await benchCommand.run([]);
    Object.assign(process.stdout, { write });
    assert.equal(code, 2);
    assert.match(printed, /^Usage: weft bench all\|BENCHMARK/);
  });
});

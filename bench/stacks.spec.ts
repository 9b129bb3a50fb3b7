import assert from 'node:assert/strict';
import { drawFlames } from './report/flame.ts';
import { formatCosts, parseCpuProfile, parsePerfScript } from './stacks.ts';

const PERF = `iperf3 \n\tffffffff81 copy_to_iter\n\tffffffff82 tcp_recvmsg\n\t    7fec8b __read\n\nswapper \n\tffffffff83 pv_native_safe_halt\n\tffffffff84 do_idle\n\niperf3 \n\tffffffff82 tcp_recvmsg\n`;

describe('stacks', () => {
  it('of perf are read from the outside in, without idle processors', () => {
    assert.deepEqual(parsePerfScript(PERF), [
      { frames: ['iperf3', '__read', 'tcp_recvmsg', 'copy_to_iter'], weight: 1 },
      { frames: ['iperf3', 'tcp_recvmsg'], weight: 1 },
    ]);
  });

  it('of V8 weigh the time since the previous sample, with paths relative to the project', () => {
    const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 4 });
    const text = JSON.stringify({
      nodes: [
        { id: 1, callFrame: frame('(root)'), children: [2] },
        { id: 2, callFrame: frame('outer', 'file:///a/dist/daemon/b.js'), children: [3] },
        { id: 3, callFrame: frame('') },
      ],
      samples: [2, 3],
      timeDeltas: [1000, 2500],
    });
    assert.deepEqual(parseCpuProfile(text), [
      { frames: ['outer daemon/b.js:5'], weight: 1 },
      { frames: ['outer daemon/b.js:5', '(anonymous)'], weight: 2.5 },
    ]);
  });

  it('come to the share of each innermost frame', () => {
    assert.deepEqual(formatCosts(parsePerfScript(PERF), 1), [' 50.0 %  copy_to_iter']);
  });

  it('are drawn as boxes with name and share, what is called above its caller', () => {
    const svg = drawFlames(
      [
        { frames: ['a<b', 'c'], weight: 3 },
        { frames: ['d'], weight: 1 },
      ],
      {
        title: 'T',
        note: 'N',
      },
    );
    assert.match(svg, /<title>a&lt;b: 75\.0 %<\/title><rect x="8\.0" y="(\d+)"/);
    const levelOf = (name: string) => Number(new RegExp(`<title>${name}: .*?y="(\\d+)"`).exec(svg)?.[1]);
    assert.ok(levelOf('c') < levelOf('d'));
  });

  it('that are none cannot be drawn', () => {
    assert.throws(() => drawFlames([], { title: 'T', note: 'N' }), /needs samples/);
  });
});

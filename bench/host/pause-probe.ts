// Preloaded into a daemon by the benchmark of pauses: at each SIGUSR2 it writes the longest pause of the event loop since the
// last one, in ms, to the file of WEFT_PAUSES and begins again. A timer of 1 ms costs processor time, so that no other figure
// is taken of such a daemon.
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const file = process.env['WEFT_PAUSES'];
// Not in programs that the daemon starts.
delete process.env['WEFT_PAUSES'];
delete process.env['NODE_OPTIONS'];

if (file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let count = 0;
  process.on('SIGUSR2', () => {
    const worstMs = delay.max / 1e6;
    delay.reset();
    writeFileSync(`${file}.next`, JSON.stringify({ count: ++count, worstMs }));
    renameSync(`${file}.next`, file);
  });
}

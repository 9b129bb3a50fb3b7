import assert from 'node:assert/strict';
import { EVENTS } from '../fixture/events.ts';
import { PLAIN } from './style.ts';
import { formatEvent } from './format-watch.ts';

describe('weft watch prints', () => {
  it('one line per event', () => {
    assert.equal(
      EVENTS.map((event) => formatEvent(event, PLAIN)).join(''),
      `12:00:00.250  lease     A host has this subnet  key=10.5.100.0-24 publicIp=198.18.1.2
12:00:01.000  kernel    Repairing drift of kernel state  count=2 objects="route 10.5.100.0/24, fdb flannel.1 42:a9:6e:0f:bd:7a"
12:00:02.000  registry  Registry lost  error="connection \\"refused\\"" by={"publicIp":"198.18.1.3"}
12:00:03.000  health    This host is ok
`,
    );
  });
});

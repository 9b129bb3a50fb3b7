import assert from 'node:assert/strict';
import { isDaemon } from './running-daemon.ts';

describe('a daemon', () => {
  const cases: readonly [string, boolean][] = [
    ['/opt/bin/flanneld --ip-masq', true],
    ['node --single-threaded /opt/weft/bin/start.mjs /opt/weft/bin/weft daemon --ip-masq', true],
    ['/usr/bin/node /opt/weft/bin/start.mjs /usr/bin/flanneld -v=2', true],
    ['/usr/bin/node --jitless /usr/lib/weft/weft.mjs daemon', true],
    ['node /usr/lib/weft/weft.mjs /usr/bin/weft daemon', true],
    ['/usr/lib/weft/bin/node --single-threaded /usr/lib/weft/weft-daemon.cjs daemon --iface eth1', true],
    ['node /opt/weft/bin/start.mjs /opt/weft/bin/weft cleanup --dry-run', false],
    ['node /opt/weft/bin/start.mjs /opt/weft/bin/weft help daemon', false],
    ['sh -c weft daemon', false],
    ['vi flanneld', false],
    ['tail -f /var/log/weft daemon', false],
    ['node', false],
    ['', false],
  ];
  for (const [line, expected] of cases)
    it(`is ${expected ? '' : 'not '}${JSON.stringify(line)}`, () =>
      assert.equal(isDaemon(line.split(' ')), expected));
});

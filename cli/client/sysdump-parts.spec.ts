import assert from 'node:assert/strict';
import { mask } from './sysdump-parts.ts';

describe('a dump masks', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['http://root:hunter2@10.0.0.1:2379', 'http://[redacted]@10.0.0.1:2379'],
    ['--etcd-password=hunter2 --iface=eth0', '--etcd-password=[redacted] --iface=eth0'],
    ['FLANNELD_ETCD_PASSWORD=hunter2', 'FLANNELD_ETCD_PASSWORD=[redacted]'],
    ['{"password":"hunter 2","a":1}', '{"password":[redacted],"a":1}'],
    ["psk_token: 'abc', x", 'psk_token: [redacted], x'],
    ['private key = abcdef=', 'private key = [redacted]'],
    ['10.5.2.0/24 via 10.5.2.0 dev flannel.1', '10.5.2.0/24 via 10.5.2.0 dev flannel.1'],
  ];
  for (const [text, masked] of cases) it(text, () => assert.equal(mask(text), masked));
});

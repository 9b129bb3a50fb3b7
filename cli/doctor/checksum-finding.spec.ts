import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { IpAddress } from '../../lib/address.ts';
import type { ChecksumOffloadV1 } from '../../api/index.ts';
import type { ProbeResult } from '../../daemon/probe/checksum-probe.ts';
import { findChecksumFault } from './checksum-finding.ts';

const AUTO: ChecksumOffloadV1 = { device: 'flannel.1', family: 4, setting: 'auto', found: 'unknown' };
const peers = (...results: readonly ProbeResult[]) =>
  results.map((result, index) => ({
    name: `peer ${index}`,
    overlay: `10.5.${index}.0` as IpAddress,
    result,
  }));

describe('the checksum finding of weft doctor', () => {
  it('is absent for right or unknown checksums', () => {
    assert.equal(findChecksumFault(peers('good', 'no-answer'), [AUTO]), undefined);
    assert.equal(findChecksumFault([], [{ ...AUTO, found: 'bad' }]), undefined);
  });

  for (const [what, results, offload, fix] of [
    ['asks to wait for the daemon', ['bad', 'bad'], AUTO, /wait some seconds.*ethtool -K flannel\.1/],
    [
      'asks to turn the offload off if some peers get right checksums',
      ['bad', 'good'],
      AUTO,
      /"TxChecksumOffload": "off"/,
    ],
    ['asks to let the daemon decide', ['bad'], { ...AUTO, setting: 'on' }, /"TxChecksumOffload": "auto"/],
  ] as const)
    it(what, () => {
      const found = findChecksumFault(peers(...results), [offload]);
      assert.equal(found?.severity, 'error');
      assert.equal(found.evidence.length, results.filter((result) => result === 'bad').length);
      assert.match(found.fix, fix);
    });

  it('reports the workaround of the daemon', () => {
    const disabled = {
      ...AUTO,
      found: 'bad',
      since: '2026-01-01T00:00:00Z',
      peers: ['10.5.2.0'],
      isOn: false,
    } as const;
    const found = findChecksumFault(peers('good'), [disabled]);
    assert.equal(found?.severity, 'warning');
    assert.match(found.evidence.join(), /flannel\.1 since 2026-01-01.*10\.5\.2\.0/);
  });
});

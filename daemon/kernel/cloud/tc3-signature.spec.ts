import assert from 'node:assert/strict';
import { tc3Authorization } from './tc3-signature.ts';

describe('a signature of Tencent Cloud', () => {
  it('is that of the published example', () => {
    // As documented for signature method v3, with its example keys.
    const payload = String.raw`{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}`;
    assert.equal(
      tc3Authorization(
        { host: 'cvm.tencentcloudapi.com', service: 'cvm', payload, timestampSec: 1_551_113_065 },
        'AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE',
        'Gu5t9xGARNpq86cd98joQYCN3EXAMPLE',
      ),
      'TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, ' +
        'SignedHeaders=content-type;host, ' +
        'Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168',
    );
  });
});

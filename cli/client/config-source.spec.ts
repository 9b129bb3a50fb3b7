import assert from 'node:assert/strict';
import { checkConfig, toPlainJson } from './config-source.ts';

describe('a config document from an operator', () => {
  for (const [name, source, plain] of [
    ['keeps plain JSON', '{"Network": "10.5.0.0/16"}\n', '{"Network": "10.5.0.0/16"}\n'],
    ['removes comments', '{"A": 1 /**/} //', '{"A": 1 ' + ' '.repeat(4) + '} ' + ' '.repeat(2)],
    ['removes trailing commas', '{"A": [1, 2,], "B": {"C": 1,},}', '{"A": [1, 2 ], "B": {"C": 1 } }'],
    ['keeps the content of strings', '{"A": "// ,}"}', '{"A": "// ,}"}'],
  ] as const)
    it(name, () => assert.equal(toPlainJson(source), plain));

  it('keeps line and column of errors', () => {
    const result = checkConfig(
      '{ // a comment\n  "Network": "10.5.0.0/33", "Backend": {"Type": "vxlan"},\n}',
    );
    assert.ok(!result.ok);
    assert.match(result.errors[0]!, /^line 2, column 14: error: \/Network/);
  });

  it('rejects unknown and misplaced fields', () => {
    for (const field of ['"Netwrok": 1', '"VNI": 1']) {
      const result = checkConfig(`{"Network": "10.5.0.0/16", ${field}, "Backend": {"Type": "vxlan"}}`);
      assert.ok(!result.ok);
      assert.match(result.errors[0]!, /error: /);
    }
  });

  it('accepts what is only a warning', () => {
    const result = checkConfig('{"Network": "10.5.3.4/16", "Backend": {"Type": "vxlan"}}');
    assert.ok(result.ok);
    assert.match(result.warnings[0]!, /warning: \/Network/);
  });
});

import assert from 'node:assert/strict';
import { checkConfig, toPlainJson } from './config-source.ts';

describe('a config document from an operator', () => {
  for (const [name, source, plain] of [
    ['plain JSON stays as it is', '{"Network": "10.5.0.0/16"}\n', '{"Network": "10.5.0.0/16"}\n'],
    ['comments go', '{"A": 1 /**/} //', '{"A": 1 ' + ' '.repeat(4) + '} ' + ' '.repeat(2)],
    ['commas behind the last go', '{"A": [1, 2,], "B": {"C": 1,},}', '{"A": [1, 2 ], "B": {"C": 1 } }'],
    ['what is inside strings stays', '{"A": "// ,}"}', '{"A": "// ,}"}'],
  ] as const)
    it(name, () => assert.equal(toPlainJson(source), plain));

  it('keeps every error at its place', () => {
    const result = checkConfig(
      '{ // a comment\n  "Network": "10.5.0.0/33", "Backend": {"Type": "vxlan"},\n}',
    );
    assert.ok(!result.ok);
    assert.match(result.errors[0]!, /^line 2, column 14: error: \/Network/);
  });

  it('has no unknown or misplaced field', () => {
    for (const field of ['"Netwrok": 1', '"VNI": 1']) {
      const result = checkConfig(`{"Network": "10.5.0.0/16", ${field}, "Backend": {"Type": "vxlan"}}`);
      assert.ok(!result.ok);
      assert.match(result.errors[0]!, /error: /);
    }
  });

  it('may do what is only doubtful', () => {
    const result = checkConfig('{"Network": "10.5.3.4/16", "Backend": {"Type": "vxlan"}}');
    assert.ok(result.ok);
    assert.match(result.warnings[0]!, /warning: \/Network/);
  });
});

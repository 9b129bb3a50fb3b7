import assert from 'node:assert/strict';
import { defined } from './defined.ts';

describe('defined', () => {
  it('leaves out what is undefined and keeps the order of the rest', () => {
    const fields = defined({ port: undefined, name: 'a', isOn: false, data: null, count: 0 });
    assert.deepEqual(Object.entries(fields), [
      ['name', 'a'],
      ['isOn', false],
      ['data', null],
      ['count', 0],
    ]);
  });
});

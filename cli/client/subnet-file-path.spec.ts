import assert from 'node:assert/strict';
import { subnetFilePath } from './subnet-file-path.ts';

describe('path of subnet.env', () => {
  for (const [option, variable, path] of [
    ['/a', '/b', '/a'],
    [undefined, '/b', '/b'],
    [undefined, '', '/run/flannel/subnet.env'],
    [undefined, undefined, '/run/flannel/subnet.env'],
  ] as const)
    it(`is ${path} with the option ${option} and the variable ${variable}`, () =>
      assert.equal(subnetFilePath(option, { FLANNELD_SUBNET_FILE: variable }), path));
});

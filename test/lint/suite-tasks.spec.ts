import assert from 'node:assert/strict';
import { orderTasks, processorSeconds, taskOf } from '../suite-tasks.ts';

describe('the tasks of make test', () => {
  it('start with those of unknown length, then the longest', () => {
    const tasks = ['dist/test/a.spec.js', 'make:lint-c', 'dist/test/b.spec.js', 'dist/test/c.spec.js'];
    const ordered = orderTasks(tasks.map(taskOf), { a: 10, 'make:lint-c': 5, b: 60 });
    assert.deepEqual(
      ordered.map(({ name }) => name),
      ['c', 'b', 'a', 'make:lint-c'],
    );
  });

  it('are targets, and suites in namespaces, as root those of test/root', () => {
    assert.equal(taskOf('make:lint-c').argv.at(-1), 'lint-c');
    assert.ok(taskOf('dist/test/a.spec.js').argv.includes('test/in-namespaces.sh'));
    assert.equal(taskOf('dist/test/a.spec.js').env['AS_ROOT'], undefined);
    assert.equal(taskOf('dist/test/root/a.spec.js').env['AS_ROOT'], '1');
  });

  it('report the time of all their processes', () => {
    const printed = '  3 passing (2s)\n\n0m1.50s 0m0.25s\n2m3.00s 1m0.25s\n';
    assert.deepEqual(processorSeconds(printed), { output: '3 passing (2s)', cpuSeconds: 185 });
    assert.deepEqual(processorSeconds('killed'), { output: 'killed', cpuSeconds: NaN });
  });
});

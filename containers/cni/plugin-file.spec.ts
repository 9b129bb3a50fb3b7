import assert from 'node:assert/strict';
import { elfMachineOf, forMachine, isProgram, withInterpreter } from './plugin-file.ts';

const SCRIPT = '#!/usr/bin/env node\nscript();\n';

/** A 64-bit ELF file of 64 + 64 bytes, whose one section header is its last part. */
function program(machine: number): Buffer {
  const content = Buffer.alloc(128);
  content.write('\x7fELF', 'latin1');
  content.writeUInt16LE(machine, 18);
  content.writeBigUInt64LE(64n, 40);
  content.writeUInt16LE(64, 58);
  content.writeUInt16LE(1, 60);
  return content;
}

describe('the file of weft-cni', () => {
  const both = Buffer.concat([program(62), Buffer.from(SCRIPT)]);

  it('is installed whole on the machine of its program', () => {
    assert.equal(forMachine(both, 'x86_64'), both);
  });

  for (const host of ['aarch64', 'riscv64'])
    it(`is the script alone on ${host}, where its program does not start`, () => {
      assert.equal(forMachine(both, host).toString(), SCRIPT);
    });

  it('is installed whole without a program', () => {
    assert.equal(forMachine(Buffer.from(SCRIPT), 'aarch64').toString(), SCRIPT);
  });

  it('starts its script with another interpreter, behind the program', () => {
    const changed = withInterpreter(both, '/opt/node');
    assert.ok(changed.subarray(0, 128).equals(program(62)));
    assert.equal(changed.toString('utf8', 128), '#!/opt/node\nscript();\n');
  });

  it('names the machine of a program alone', () => {
    assert.deepEqual([elfMachineOf(program(183)), elfMachineOf(Buffer.from(SCRIPT))], [183, undefined]);
    assert.ok(isProgram(program(183)) && isProgram(Buffer.from(SCRIPT)) && !isProgram(Buffer.from('text')));
  });
});

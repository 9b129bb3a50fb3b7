// The file of weft-cni: the program of native/cni and behind it the plugin in JavaScript, with the
// first line of a script, or the script alone.

/** Header of a 64-bit ELF file (elf.h). */
const ELF = { magic: '\x7fELF', sectionsAt: 40, sectionBytesAt: 58, sectionCountAt: 60, bytes: 64 };

/** e_machine (elf.h) by the name of uname(2). */
export const MACHINES: Readonly<Record<string, number>> = { x86_64: 62, aarch64: 183 };
const MACHINE_AT = 18;

/** e_machine of an ELF file, undefined of any other. */
export function elfMachineOf(content: Buffer): number | undefined {
  return isElf(content) && content.length >= ELF.bytes ? content.readUInt16LE(MACHINE_AT) : undefined;
}

/** The script alone, where its program is for another machine than `host`. */
export function forMachine(content: Buffer, host: string): Buffer {
  const machine = elfMachineOf(content);
  return machine === undefined || machine === MACHINES[host]
    ? content
    : content.subarray(scriptStart(content));
}

/** Whether the kernel can start the file. */
export function isProgram(content: Buffer): boolean {
  return isElf(content) || content.toString('latin1', 0, 2) === '#!';
}

/** Makes the script start with another interpreter. */
export function withInterpreter(content: Buffer, interpreter: string): Buffer {
  const start = scriptStart(content);
  const script = content.toString('utf8', start).replace(/^#!.*/, `#!${interpreter}`);
  return Buffer.concat([content.subarray(0, start), Buffer.from(script)]);
}

/** The section headers are the last part of a static program. */
function scriptStart(content: Buffer): number {
  if (!isElf(content) || content.length < ELF.bytes) return 0;
  const sections = content.readUInt16LE(ELF.sectionCountAt) * content.readUInt16LE(ELF.sectionBytesAt);
  return Number(content.readBigUInt64LE(ELF.sectionsAt)) + sections;
}

function isElf(content: Buffer): boolean {
  return content.toString('latin1', 0, ELF.magic.length) === ELF.magic;
}

// Steps of a plan as messages to the program of native/cni, and its replies as results. Errors are
// those that Node's file system throws in the plugin in JavaScript.
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import type { Frame } from './frames.ts';
import type { Environment, ProgramResult, Step } from './plan.ts';

const NO_NULL = /^[^\0]*$/;

/** @throws RangeError for a path that no system call takes; Node has an error of its own for it. */
export function encodeStep(step: Step): Frame {
  const frame = frameOf(step);
  const texts = step.kind === 'save' ? frame.fields.slice(0, 3) : frame.fields;
  if (step.kind !== 'run' && !texts.every((text) => NO_NULL.test(text)))
    throw new RangeError('A path has a null byte');
  return frame;
}

function frameOf(step: Step): Frame {
  switch (step.kind) {
    case 'read':
      return { operation: 'r', fields: [step.path] };
    case 'list':
      return { operation: 'l', fields: [step.path] };
    case 'find':
      return { operation: 'f', fields: step.paths };
    case 'save':
      return { operation: 's', fields: [step.folder, step.temporary, step.file, step.text] };
    case 'remove':
      return { operation: 'd', fields: [step.path] };
    case 'run': {
      const { environment, file, input, isAnswer } = step;
      return { operation: 'x', fields: [isAnswer ? '1' : '0', file, input, ...variables(environment)] };
    }
  }
}

/** The program has the rest of the environment, which is the runtime's. */
function variables(environment: Environment): string[] {
  return Object.entries(environment).flatMap(([name, value]) =>
    value === undefined || !name.startsWith('CNI_') ? [] : [`${name}=${value}`],
  );
}

/** @returns the result of a step. @throws Error as of Node's file system, if the step failed. */
export function decodeReply(step: Step, { operation, fields }: Frame): unknown {
  if (operation === 'e') throw systemError(fields);
  if (operation !== 'o') throw new RangeError(`${operation} is no reply`);
  const [first = ''] = fields;
  switch (step.kind) {
    case 'read':
      return first;
    case 'list':
      return first.split('/').filter((name) => name !== '');
    case 'find':
      return fields.length === 0 ? undefined : Number(first);
    case 'run':
      return programResult(step.file, fields);
    case 'remove':
    case 'save':
      return undefined;
  }
}

function systemError([number = '', call = '', path = '', target = '']: readonly string[]): Error {
  const { code, message } = describe(Number(number));
  const where = `${path === '' ? '' : ` '${path}'`}${target === '' ? '' : ` -> '${target}'`}`;
  const error = new Error(`${code}: ${message}, ${call}${where}`);
  return Object.assign(error, { code, syscall: call });
}

function describe(number: number): { readonly code: string; readonly message: string } {
  const [code, message] = getSystemErrorMap().get(-number) ?? [`E${number}`, 'unknown error'];
  return { code, message };
}

function programResult(
  file: string,
  [status = '', signal = '', number = '', stdout = '']: readonly string[],
): ProgramResult {
  const isStarted = number === '0';
  return {
    status: isStarted && status !== '-1' ? Number(status) : null,
    signal: signal === '0' ? null : signalName(Number(signal)),
    stdout: isStarted ? stdout : '',
    error: isStarted ? undefined : new Error(`spawnSync ${file} ${describe(Number(number)).code}`),
  };
}

function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `signal ${number}`;
}

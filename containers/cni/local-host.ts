// Takes the steps of a plan in this process, one after another.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Plan, ProgramResult, ProgramStep, Step } from './plan.ts';

/** @returns the result of the plan. @throws what the plan throws. */
export function perform<Result>(plan: Plan<Result>): Result {
  let next = plan.next();
  while (next.done !== true) next = advance(plan, next.value);
  return next.value;
}

function advance<Result>(plan: Plan<Result>, step: Step): IteratorResult<Step, Result> {
  let result: unknown;
  try {
    result = take(step);
  } catch (error) {
    return plan.throw(error);
  }
  return plan.next(result);
}

function take(step: Step): unknown {
  switch (step.kind) {
    case 'read':
      return readFileSync(step.path, 'utf8');
    case 'list':
      return readdirSync(step.path);
    case 'find': {
      const index = step.paths.findIndex(isExecutable);
      return index < 0 ? undefined : index;
    }
    case 'save':
      return save(step);
    case 'remove':
      return rmSync(step.path, { force: true, recursive: true });
    case 'run':
      return run(step);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function save({ file, folder, temporary, text }: Extract<Step, { kind: 'save' }>): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // A folder in place of a file is damage, and has nothing that a later DEL needs.
  for (const path of [temporary, file]) if (isFolder(path)) rmSync(path, { recursive: true });
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function run({ environment, file, input }: ProgramStep): ProgramResult {
  const result = spawnSync(file, [], {
    env: environment,
    input,
    stdio: ['pipe', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  // Part of an output is no answer, also of a program that succeeds.
  const { error } = result;
  const isCut = error !== undefined && 'code' in error && error.code === 'ENOBUFS';
  return isCut ? { ...result, status: null, stdout: '' } : result;
}

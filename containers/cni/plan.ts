// What a command of weft-cni does on the host of the container runtime, step by step. A plan yields
// steps and gets their results, so that one code serves the plugin in JavaScript (local-host.ts) and
// the daemon, whose steps the program of native/cni takes (session.ts).
export type Environment = Readonly<Record<string, string | undefined>>;

export type Step =
  /** The text of a file. */
  | { readonly kind: 'read'; readonly path: string }
  /** The names in a folder. */
  | { readonly kind: 'list'; readonly path: string }
  /** The number of the first executable file. */
  | { readonly kind: 'find'; readonly paths: readonly string[] }
  /** Replaces a file atomically, for root alone, and makes its folder. */
  | {
      readonly kind: 'save';
      readonly folder: string;
      readonly temporary: string;
      readonly file: string;
      readonly text: string;
    }
  /** Removes a file or a folder, if there is one. */
  | { readonly kind: 'remove'; readonly path: string }
  | ProgramStep;

/** Runs another plugin. */
export interface ProgramStep {
  readonly kind: 'run';
  readonly file: string;
  readonly input: string;
  readonly environment: Environment;
  /** With exit code 0 its output is the answer of the plan, which ends there. */
  readonly isAnswer: boolean;
}

/** What came of a program. */
export interface ProgramResult {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly error?: Error | undefined;
}

/** A step that fails throws an error of Node's file system where the plan yields it. */
export type Plan<Result> = Generator<Step, Result, unknown>;

export function* readText(path: string): Plan<string> {
  return (yield { kind: 'read', path }) as string;
}

export function* listNames(path: string): Plan<readonly string[]> {
  return (yield { kind: 'list', path }) as readonly string[];
}

export function* findExecutable(paths: readonly string[]): Plan<string | undefined> {
  const index = (yield { kind: 'find', paths }) as number | undefined;
  return index === undefined ? undefined : paths[index];
}

export function* saveText(step: Omit<Extract<Step, { kind: 'save' }>, 'kind'>): Plan<void> {
  yield { kind: 'save', ...step };
}

export function* removePath(path: string): Plan<void> {
  yield { kind: 'remove', path };
}

export function* runProgram(step: Omit<ProgramStep, 'kind'>): Plan<ProgramResult> {
  return (yield { kind: 'run', ...step }) as ProgramResult;
}

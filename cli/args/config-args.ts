// Arguments of `weft config`. Pure.
import { didYouMean } from '../../lib/did-you-mean.ts';
import { UsageError } from '../usage-error.ts';

export const CONFIG_VERBS = {
  get: 'print the document',
  set: 'write the document in FILE, or from standard input for -',
  edit: 'edit the document with $EDITOR and write it',
  validate: 'check a document without writing it',
  diff: 'print the changes of the document in FILE and the hosts they affect',
  history: 'list versions with author, time and reason',
  rollback: 'write the version of an earlier REVISION again',
  schema: 'print its JSON Schema',
};

const FILE_ARG = 'a file, or - for standard input: for example net.jsonc';
/** The argument of verbs that need one. */
const REQUIRED_ARGS: Readonly<Record<string, string>> = {
  set: FILE_ARG,
  validate: FILE_ARG,
  diff: FILE_ARG,
  rollback: 'the revision of a version: weft config history lists them',
};

/** Checks verb and argument. @throws UsageError */
export function checkConfigArgs(
  verb: string | undefined,
  arg: string | undefined,
): asserts verb is keyof typeof CONFIG_VERBS {
  const verbs = Object.keys(CONFIG_VERBS);
  if (verb === undefined) throw new UsageError(`weft config needs a verb: give one of ${verbs.join(', ')}`);
  if (!Object.hasOwn(CONFIG_VERBS, verb)) {
    const similar = didYouMean(verb, verbs);
    const hint = similar === undefined ? '' : `: did you mean ${similar}?`;
    throw new UsageError(`weft config ${JSON.stringify(verb)}: give one of ${verbs.join(', ')}${hint}`);
  }
  const wanted = REQUIRED_ARGS[verb];
  if (wanted !== undefined && arg === undefined) throw new UsageError(`weft config ${verb} needs ${wanted}`);
  if (wanted === undefined && arg !== undefined)
    throw new UsageError(`weft config ${verb} takes no further argument, got ${JSON.stringify(arg)}`);
  if (verb === 'rollback' && !/^[1-9]\d*$/.test(arg!))
    throw new UsageError(`weft config rollback ${JSON.stringify(arg)}: must be ${REQUIRED_ARGS['rollback']}`);
}

/** Value of `--timeout`. @throws UsageError */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds >= 0) return seconds;
  throw new UsageError(`--timeout ${JSON.stringify(text)}: give a number of seconds`);
}

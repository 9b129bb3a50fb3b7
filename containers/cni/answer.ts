// The answer of weft-cni to a command in environment variables and a config: checks both, then plans
// the command of `plugin.ts`.
import { CNI_CODES, CniError, formatCniError, toCniError } from './cni-error.ts';
import { NEWEST_CNI_VERSION } from './cni-version.ts';
import { perform } from './local-host.ts';
import { parseNetwork, type AttachmentId } from './network.ts';
import type { Environment, Plan } from './plan.ts';
import {
  add,
  check,
  collectGarbage,
  del,
  status,
  version,
  type AttachmentRequest,
  type Request,
} from './plugin.ts';

const ON_ATTACHMENTS: Readonly<Record<string, (request: AttachmentRequest) => Plan<string | void>>> = {
  ADD: add,
  DEL: del,
  CHECK: check,
};
const ON_NETWORKS: Readonly<Record<string, (request: Request) => Plan<void>>> = {
  GC: collectGarbage,
  STATUS: status,
};

const CONTAINER_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** Valid device names of the kernel (dev_valid_name). */
const IFNAME = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;

export interface Answer {
  /** For standard output: a result or an error, as JSON. */
  readonly text: string;
  readonly exitCode: 0 | 1;
}

/** The answer by this process. */
export function answer(environment: Environment, readInput: () => string): Answer {
  let input: string;
  try {
    input = readInput();
  } catch (error) {
    return failure(error, '');
  }
  return perform(planAnswer(environment, input));
}

/** Plans the answer; every error is one. */
export function* planAnswer(environment: Environment, input: string): Plan<Answer> {
  try {
    return { text: yield* run(environment, input), exitCode: 0 };
  } catch (error) {
    return failure(error, input);
  }
}

function failure(error: unknown, input: string): Answer {
  return { text: formatCniError(toCniError(error), versionIn(input)), exitCode: 1 };
}

/** @returns the text for standard output. @throws CniError */
function* run(environment: Environment, input: string): Plan<string> {
  const { CNI_COMMAND: command = '' } = environment;
  if (command === 'VERSION') return version(versionIn(input));
  if (Object.hasOwn(ON_ATTACHMENTS, command)) {
    const id = attachmentIn(environment, command);
    const network = parseNetwork(input);
    return (yield* ON_ATTACHMENTS[command]!({ network, environment, id })) ?? '';
  }
  if (!Object.hasOwn(ON_NETWORKS, command))
    throw badVariable('CNI_COMMAND', command, 'ADD, DEL, CHECK, GC, STATUS or VERSION');
  need(environment, 'CNI_PATH');
  yield* ON_NETWORKS[command]!({ network: parseNetwork(input), environment });
  return '';
}

function attachmentIn(environment: Environment, command: string): AttachmentId {
  const containerId = need(environment, 'CNI_CONTAINERID');
  const ifname = need(environment, 'CNI_IFNAME');
  if (!CONTAINER_ID.test(containerId))
    throw badVariable('CNI_CONTAINERID', containerId, 'letters, digits, _ . and -');
  if (!IFNAME.test(ifname)) throw badVariable('CNI_IFNAME', ifname, 'the name of a network interface');
  // DEL may follow the removal of the namespace.
  if (command !== 'DEL') need(environment, 'CNI_NETNS');
  need(environment, 'CNI_PATH');
  return { containerId, ifname };
}

function need(environment: Environment, name: string): string {
  const value = environment[name] ?? '';
  if (value === '') throw badVariable(name, value, 'a value');
  return value;
}

function badVariable(name: string, value: string, rule: string): CniError {
  return new CniError(
    CNI_CODES.INVALID_ENVIRONMENT,
    `Environment variable ${name} is "${value}": give ${rule}`,
  );
}

/** The cniVersion of the input, in which errors and VERSION answer. */
function versionIn(input: string): string {
  try {
    const { cniVersion } = JSON.parse(input) as { cniVersion?: unknown };
    if (typeof cniVersion === 'string' && cniVersion !== '') return cniVersion;
  } catch {
    // parseNetwork reports invalid input.
  }
  return NEWEST_CNI_VERSION;
}

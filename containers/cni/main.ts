// weft-cni, the program: environment and standard input in, one answer on standard output, exit code 0 or 1.
// It is started for every container, so it imports little and never waits.
import { readFileSync } from 'node:fs';
import { CNI_CODES, CniError, formatCniError, toCniError } from './cni-error.ts';
import { CNI_VERSIONS, NEWEST_CNI_VERSION } from './cni-version.ts';
import type { Environment } from './delegate.ts';
import { parseNetwork, type AttachmentId } from './network.ts';
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

const ON_ATTACHMENTS: Readonly<Record<string, (request: AttachmentRequest) => string | void>> = {
  ADD: add,
  DEL: del,
  CHECK: check,
};
const ON_NETWORKS: Readonly<Record<string, (request: Request) => void>> = {
  GC: collectGarbage,
  STATUS: status,
};

const CONTAINER_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** The kernel's rule for names of devices. */
const IFNAME = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;

/** @returns the text for standard output. @throws CniError */
function answer(environment: Environment, input: string): string {
  const { CNI_COMMAND: command = '' } = environment;
  if (command === 'VERSION') return version(versionIn(input));
  if (Object.hasOwn(ON_ATTACHMENTS, command)) {
    const id = attachmentIn(environment, command);
    const network = parseNetwork(input);
    return ON_ATTACHMENTS[command]!({ network, environment, id }) ?? '';
  }
  if (!Object.hasOwn(ON_NETWORKS, command))
    throw badVariable('CNI_COMMAND', command, 'ADD, DEL, CHECK, GC, STATUS or VERSION');
  need(environment, 'CNI_PATH');
  ON_NETWORKS[command]!({ network: parseNetwork(input), environment });
  return '';
}

function attachmentIn(environment: Environment, command: string): AttachmentId {
  const containerId = need(environment, 'CNI_CONTAINERID');
  const ifname = need(environment, 'CNI_IFNAME');
  if (!CONTAINER_ID.test(containerId))
    throw badVariable('CNI_CONTAINERID', containerId, 'letters, digits, _ . and -');
  if (!IFNAME.test(ifname)) throw badVariable('CNI_IFNAME', ifname, 'the name of a network interface');
  // The namespace may be gone when its container is removed.
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

/** The version that a runtime wrote into its input, if that can be told: errors and VERSION answer in it. */
function versionIn(input: string): string {
  try {
    const { cniVersion } = JSON.parse(input) as { cniVersion?: unknown };
    if (typeof cniVersion === 'string' && cniVersion !== '') return cniVersion;
  } catch {
    // Whoever needs more of the input reports it.
  }
  return NEWEST_CNI_VERSION;
}

function main(): void {
  if (process.env['CNI_COMMAND'] === undefined) {
    process.stderr.write(
      `weft-cni, a CNI plugin for container runtimes: it has bridge connect containers with addresses of this host's subnet.\nweft cni install puts it in place. CNI versions: ${CNI_VERSIONS.join(', ')}\n`,
    );
    return;
  }
  let input = '';
  try {
    input = readFileSync(0, 'utf8');
    process.stdout.write(answer(process.env, input));
  } catch (error) {
    process.stdout.write(formatCniError(toCniError(error), versionIn(input)));
    process.exitCode = 1;
  }
}

main();

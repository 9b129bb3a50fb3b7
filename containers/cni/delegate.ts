// Runs another plugin by the specification: found by type in CNI_PATH, with the same environment,
// config on standard input, result on standard output.
import { join } from 'node:path';
import { CNI_CODES, CniError } from './cni-error.ts';
import type { DelegateConfig } from './delegate-config.ts';
import { isObject, type JsonObject } from './network.ts';
import { findExecutable, runProgram, type Environment, type Plan } from './plan.ts';

/** Path of a plugin. @throws CniError if no folder of CNI_PATH has it. */
export function* findPlugin(type: string, environment: Environment): Plan<string> {
  const folders = (environment['CNI_PATH'] ?? '').split(':').filter((folder) => folder !== '');
  const found = yield* findExecutable(folders.map((folder) => join(folder, type)));
  if (found !== undefined) return found;
  throw new CniError(
    CNI_CODES.NO_DELEGATE,
    `There is no plugin ${type} in ${folders.join(', ') || 'CNI_PATH, which is empty'}: install containernetworking-plugins`,
  );
}

/**
 * Runs a plugin.
 * @param isAnswer - its standard output, if it succeeds, is what weft-cni answers; nothing follows.
 * @returns its standard output.
 * @throws CniError with the plugin's code and message.
 */
export function* runPlugin(config: DelegateConfig, environment: Environment, isAnswer = false): Plan<string> {
  const file = yield* findPlugin(config.type, environment);
  const input = JSON.stringify(config);
  const { status, signal, stdout, error } = yield* runProgram({ file, input, environment, isAnswer });
  // A plugin may answer without reading its input.
  if (status === 0) return stdout;
  if (error !== undefined && status === null && signal === null)
    throw new CniError(CNI_CODES.DELEGATE_FAILED, `Cannot run ${file}: ${error.message}`);
  throw (
    readError(config.type, stdout) ??
    new CniError(
      CNI_CODES.DELEGATE_FAILED,
      `${config.type} ended with ${signal ?? `exit code ${status}`} and no answer`,
      stdout === '' ? undefined : stdout,
    )
  );
}

function readError(type: string, stdout: string): CniError | undefined {
  try {
    const { code, msg, details } = JSON.parse(stdout) as Record<string, unknown>;
    if (typeof code !== 'number' || typeof msg !== 'string') return undefined;
    return new CniError(
      code,
      `${type}: ${msg}`,
      typeof details === 'string' && details !== '' ? details : undefined,
    );
  } catch {
    return undefined;
  }
}

/** Versions of the specification that a plugin supports. Starts a process. */
export function* supportedVersions(
  config: DelegateConfig,
  environment: Environment,
): Plan<readonly string[]> {
  const answer = yield* runPlugin(config, { ...environment, CNI_COMMAND: 'VERSION' });
  return (JSON.parse(answer) as { supportedVersions?: string[] }).supportedVersions ?? [];
}

/** Sets the version of a config and of the prevResult in it, which must agree. */
export function withVersion(config: DelegateConfig, cniVersion: string): DelegateConfig {
  const { prevResult } = config as { prevResult?: JsonObject };
  return {
    ...config,
    cniVersion,
    ...(isObject(prevResult) ? { prevResult: { ...prevResult, cniVersion } } : {}),
  };
}

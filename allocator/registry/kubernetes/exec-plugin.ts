// Runs a credential plugin of a kubeconfig. Source: Kubernetes, client.authentication.k8s.io/v1.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Credentials } from './access.ts';

export interface ExecPlugin {
  readonly apiVersion?: string;
  readonly command: string;
  readonly args?: readonly string[] | null;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
}

interface ExecCredential {
  readonly status?: {
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
    readonly expirationTimestamp?: string;
  };
}

export interface PluginContext {
  /** Commands with a slash are relative to the folder of the kubeconfig. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** @throws Error that names the command and what it printed to standard error. */
export async function runExecPlugin(
  plugin: ExecPlugin,
  { env, folder, signal }: PluginContext,
): Promise<Credentials> {
  const { apiVersion = 'client.authentication.k8s.io/v1', args, command, env: own } = plugin;
  const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
  const named = Object.fromEntries((own ?? []).map(({ name, value }) => [name, value]));
  try {
    const { stdout } = await promisify(execFile)(command, [...(args ?? [])], {
      cwd: folder,
      env: { ...env, ...named, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      ...(signal && { signal }),
    });
    return readStatus(parseOutput(stdout), command);
  } catch (error) {
    throw new Error(
      `the credential plugin ${JSON.stringify(command)} of the kubeconfig failed: ${firstLine(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** The reason of the parser would quote the output. */
function parseOutput(stdout: string): ExecCredential {
  try {
    return (JSON.parse(stdout) ?? {}) as ExecCredential;
  } catch {
    throw new Error('it printed no JSON; expected an ExecCredential');
  }
}

function readStatus({ status = {} }: ExecCredential, command: string): Credentials {
  const { clientCertificateData, clientKeyData, expirationTimestamp, token } = status;
  if (token === undefined && clientCertificateData === undefined)
    throw new Error(`${command} printed no status.token and no status.clientCertificateData`);
  const expiresAtMs = expirationTimestamp === undefined ? NaN : Date.parse(expirationTimestamp);
  return {
    ...(token !== undefined && { token }),
    ...(clientCertificateData !== undefined && { certificate: clientCertificateData }),
    ...(clientKeyData !== undefined && { key: clientKeyData }),
    ...(!Number.isNaN(expiresAtMs) && { expiresAtMs }),
  };
}

/** What the plugin says is in standard error; its output may hold a secret and is not shown. */
function firstLine(error: unknown): string {
  const { message, stderr } = error as Error & { stderr?: string };
  const line = (stderr ?? '').trim().split('\n')[0];
  return (line === undefined || line === '' ? message.split('\n')[0]! : line).slice(0, 300);
}

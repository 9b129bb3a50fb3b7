// Parses the network config on standard input. Its keys are those of flannel's plugin.
import { CNI_CODES, CniError } from './cni-error.ts';
import { CNI_VERSIONS, UNNAMED_CNI_VERSION } from './cni-version.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** One interface of one container. */
export interface AttachmentId {
  readonly containerId: string;
  readonly ifname: string;
}

export interface Network {
  readonly cniVersion: string;
  readonly name: string;
  readonly subnetFile: string;
  readonly dataDir: string;
  /** Settings of the delegate that the operator overrides. */
  readonly delegate: JsonObject;
  readonly ipam: JsonObject;
  /** Passed through unchanged. */
  readonly extras: {
    readonly runtimeConfig?: JsonObject;
    readonly args?: JsonObject;
    readonly dns?: JsonObject;
  };
  readonly prevResult: JsonObject | undefined;
  /** Attachments in use; unset unless the runtime lists them. */
  readonly validAttachments: readonly AttachmentId[] | undefined;
}

export const DEFAULT_SUBNET_FILE = '/run/flannel/subnet.env';
export const DEFAULT_DATA_DIR = '/var/lib/cni/flannel';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** A plugin's file name: a path would leave the folders of CNI_PATH. */
export const PLUGIN_TYPE = /^[^/\0]+$/;

/** Parses standard input. @throws CniError naming the key, its value and the expected value. */
export function parseNetwork(text: string): Network {
  const config = parseJsonObject(text);
  const cniVersion = versionOf(config);
  const network = {
    cniVersion,
    name: readText(config, 'name', NAME, 'letters, digits, _ . and -'),
    subnetFile: readText(config, 'subnetFile', /^\//, 'an absolute path', DEFAULT_SUBNET_FILE),
    dataDir: readText(config, 'dataDir', /^\//, 'an absolute path', DEFAULT_DATA_DIR),
    delegate: readObject(config, 'delegate') ?? {},
    ipam: readObject(config, 'ipam') ?? {},
    extras: {
      ...objectAt(config, 'runtimeConfig'),
      ...objectAt(config, 'args'),
      ...objectAt(config, 'dns'),
    },
    prevResult: readObject(config, 'prevResult'),
    validAttachments: readAttachments(config),
  };
  checkDelegate(network.delegate);
  if (network.ipam['routes'] !== undefined && !Array.isArray(network.ipam['routes']))
    throw invalid('ipam.routes', network.ipam['routes'], 'a list');
  return network;
}

function parseJsonObject(text: string): JsonObject {
  try {
    const value = JSON.parse(text) as unknown;
    if (isObject(value)) return value;
  } catch (error) {
    throw new CniError(
      CNI_CODES.DECODING_FAILURE,
      `The network config on standard input is not JSON: ${(error as Error).message}`,
    );
  }
  throw new CniError(CNI_CODES.DECODING_FAILURE, 'The network config on standard input is no JSON object');
}

/** The version of a config. @throws CniError for an unsupported version. */
function versionOf(config: JsonObject): string {
  const version = config['cniVersion'] ?? '';
  if (version === '') return UNNAMED_CNI_VERSION;
  if ((CNI_VERSIONS as readonly unknown[]).includes(version)) return version as string;
  throw new CniError(
    CNI_CODES.INCOMPATIBLE_VERSION,
    `cniVersion ${JSON.stringify(version)} is not supported`,
    `supported: ${CNI_VERSIONS.join(', ')}`,
  );
}

function checkDelegate(delegate: JsonObject): void {
  readText(delegate, 'type', PLUGIN_TYPE, 'the file name of a plugin', 'bridge', 'delegate.');
  for (const key of ['name', 'ipam'])
    if (Object.hasOwn(delegate, key))
      throw new CniError(
        CNI_CODES.INVALID_CONFIG,
        `delegate.${key} is set by weft-cni: omit it${key === 'ipam' ? ', and write "ipam" beside "delegate"' : ''}`,
      );
}

/** `cni.dev/attachments` is the name before CNI spec 1.1 was final. */
function readAttachments(config: JsonObject): AttachmentId[] | undefined {
  const key = ['cni.dev/valid-attachments', 'cni.dev/attachments'].find((name) =>
    Object.hasOwn(config, name),
  );
  if (key === undefined) return undefined;
  // Runtimes in Go write an empty list as null.
  const list = config[key] ?? [];
  if (!Array.isArray(list)) throw invalid('cni.dev/valid-attachments', list, 'a list');
  return list.map((entry: unknown) => {
    const { containerID: containerId, ifname } = isObject(entry) ? entry : {};
    if (typeof containerId !== 'string' || typeof ifname !== 'string')
      throw invalid('cni.dev/valid-attachments', entry, 'containerID and ifname in each entry');
    return { containerId, ifname };
  });
}

function readText(
  object: JsonObject,
  key: string,
  pattern: RegExp,
  rule: string,
  fallback?: string,
  path = '',
): string {
  const value = object[key] ?? fallback;
  if (typeof value !== 'string' || !pattern.test(value)) throw invalid(`${path}${key}`, object[key], rule);
  return value;
}

function readObject(object: JsonObject, key: string): JsonObject | undefined {
  const value = object[key] ?? undefined;
  if (value !== undefined && !isObject(value)) throw invalid(key, value, 'an object');
  return value;
}

function objectAt(object: JsonObject, key: string): Record<string, JsonObject> {
  const value = readObject(object, key);
  return value === undefined ? {} : { [key]: value };
}

function invalid(key: string, value: unknown, rule: string): CniError {
  return new CniError(
    CNI_CODES.INVALID_CONFIG,
    `The network config's ${key} is ${JSON.stringify(value) ?? 'missing'}: give ${rule}`,
  );
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

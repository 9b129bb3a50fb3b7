// weft-cni's commands by the CNI specification: passes this host's subnet to a delegate and stores
// the delegate's config. ADD stores, then delegates; DEL delegates, then removes the stored config.
import { AttachmentStore, USUAL_IFNAME } from './attachments.ts';
import { CNI_CODES, CniError, toCniError } from './cni-error.ts';
import { CNI_VERSIONS, isAtLeast, newestCommonVersion } from './cni-version.ts';
import { findPlugin, runPlugin, supportedVersions, withVersion } from './delegate.ts';
import { deriveDelegateConfig, type DelegateConfig } from './delegate-config.ts';
import { readHostSubnet, UNKNOWN_SUBNET } from './host-subnet.ts';
import type { AttachmentId, Network } from './network.ts';
import type { Environment, Plan } from './plan.ts';

/** Input of a command. */
export interface Request {
  readonly network: Network;
  readonly environment: Environment;
}

interface DelegateCall {
  readonly config: DelegateConfig;
  readonly environment: Environment;
}

export interface AttachmentRequest extends Request {
  readonly id: AttachmentId;
}

/** @returns the result for standard output. @throws CniError */
export function* add({ network, environment, id }: AttachmentRequest): Plan<string> {
  const store = new AttachmentStore(network.dataDir);
  const isKnown = (yield* store.find(id, network.name)) !== undefined;
  let config = deriveDelegateConfig(network, yield* readHostSubnet(network.subnetFile));
  yield* checkPlugins(config, environment);
  yield* store.save(id, config);
  try {
    const onAdapted = (adapted: DelegateConfig) => store.save(id, (config = adapted));
    return yield* runInCommonVersion(config, environment, { isAnswer: true, onAdapted });
  } catch (error) {
    // An earlier attachment may still be in use; the runtime decides and calls DEL.
    if (!isKnown) yield* undo(store, config, { network, environment, id });
    throw error;
  }
}

/**
 * Reverts a failed ADD, as the specification requires. The runtime's own DEL reports what is left.
 */
function* undo(store: AttachmentStore, config: DelegateConfig, request: AttachmentRequest): Plan<void> {
  try {
    yield* runPlugin(config, { ...request.environment, CNI_COMMAND: 'DEL' });
    yield* store.remove(request.id, request.network.name);
  } catch {
    // The error of ADD has the cause.
  }
}

/**
 * Removes what it can: a lost or damaged file must not prevent the removal of a container.
 * @throws CniError
 */
export function* del({ network, environment, id }: AttachmentRequest): Plan<void> {
  const store = new AttachmentStore(network.dataDir);
  const saved = yield* store.find(id, network.name);
  if (saved === undefined) return yield* delUnknown({ network, environment, id });
  const config = saved === 'unreadable' ? yield* configForRemoval(network) : { ...saved, ...network.extras };
  yield* runInCommonVersion(withPrevResult(config, network), environment);
  yield* store.remove(id, network.name);
}

/** An attachment without a file is removed already, or has lost its file. Both succeed. */
function* delUnknown({ network, environment }: AttachmentRequest): Plan<void> {
  try {
    yield* runInCommonVersion(withPrevResult(yield* configForRemoval(network), network), environment);
  } catch {
    // The delegate knows nothing of it either, or is not installed.
  }
}

/** The delegate's config for a removal, also while this host has no subnet. */
function* configForRemoval(network: Network): Plan<DelegateConfig> {
  try {
    return deriveDelegateConfig(network, yield* readHostSubnet(network.subnetFile));
  } catch {
    return deriveDelegateConfig(network, UNKNOWN_SUBNET);
  }
}

/** @throws CniError if the attachment differs from ADD's result, or this host's subnet changed. */
export function* check({ network, environment, id }: AttachmentRequest): Plan<void> {
  const saved = yield* new AttachmentStore(network.dataDir).find(id, network.name);
  if (saved === undefined || saved === 'unreadable')
    throw new CniError(
      CNI_CODES.UNKNOWN_CONTAINER,
      `${network.dataDir} has no entry for ${id.ifname} of container ${id.containerId}: add the container first`,
    );
  yield* checkSubnet(saved, network);
  yield* runInCommonVersion(withPrevResult(saved, network), environment);
}

function* checkSubnet(saved: DelegateConfig, network: Network): Plan<void> {
  const { ipam } = deriveDelegateConfig(network, yield* readHostSubnet(network.subnetFile));
  const [then, now] = [saved.ipam, ipam].map(({ ranges }) => JSON.stringify(ranges));
  if (then !== now)
    throw new CniError(
      CNI_CODES.SUBNET_CHANGED,
      'The subnet of this host changed since the container was added: re-create the container',
      `then: ${then}, now: ${now}`,
    );
}

function withPrevResult(config: DelegateConfig, { prevResult }: Network): DelegateConfig {
  return prevResult === undefined ? config : withVersion({ ...config, prevResult }, config.cniVersion);
}

/**
 * Removes attachments of containers that no longer exist, also for a delegate without GC.
 * @throws CniError naming every failure.
 */
export function* collectGarbage({ network, environment }: Request): Plan<void> {
  const { validAttachments } = network;
  if (validAttachments === undefined)
    throw new CniError(
      CNI_CODES.INVALID_CONFIG,
      "The network config has no cni.dev/valid-attachments: without it every container's network would be removed",
    );
  const store = new AttachmentStore(network.dataDir);
  const failures: string[] = [];
  const saved = yield* store.list(network.name);
  for (const attachment of saved.filter((each) => !isValid(each, validAttachments)))
    try {
      const { containerId, ifname } = attachment;
      const config =
        attachment.config === 'unreadable' ? yield* configForRemoval(network) : attachment.config;
      const names = { CNI_CONTAINERID: containerId, CNI_IFNAME: ifname, CNI_NETNS: '' };
      yield* runInCommonVersion(config, { ...environment, ...names, CNI_COMMAND: 'DEL' });
      yield* store.remove(attachment, network.name);
    } catch (error) {
      failures.push(`${attachment.ifname} of ${attachment.containerId}: ${toCniError(error).message}`);
    }
  yield* callDelegate(
    { config: yield* configForRemoval(network), environment },
    {
      'cni.dev/valid-attachments': validAttachments.map(({ containerId, ifname }) => ({
        containerID: containerId,
        ifname,
      })),
    },
  );
  if (failures.length > 0)
    throw new CniError(CNI_CODES.DELEGATE_FAILED, 'Cannot remove every attachment', failures.join('; '));
}

/** A file of flannel's plugin covers all interfaces of its container. */
function isValid(saved: AttachmentId, valid: readonly AttachmentId[]): boolean {
  return valid.some(
    ({ containerId, ifname }) =>
      containerId === saved.containerId && (ifname === saved.ifname || saved.ifname === USUAL_IFNAME),
  );
}

/** Finds the plugins of ADD before any change. @throws CniError for a missing plugin. */
function* checkPlugins(config: DelegateConfig, environment: Environment): Plan<void> {
  for (const type of [config.type, String(config.ipam['type'])]) yield* findPlugin(type, environment);
}

/** @throws CniError, `UNAVAILABLE` if ADD would fail. */
export function* status({ network, environment }: Request): Plan<void> {
  let config: DelegateConfig;
  try {
    config = deriveDelegateConfig(network, yield* readHostSubnet(network.subnetFile));
    yield* checkPlugins(config, environment);
  } catch (error) {
    throw new CniError(CNI_CODES.UNAVAILABLE, toCniError(error).message);
  }
  yield* callDelegate({ config, environment }, {});
}

/** Passes a command of version 1.1 to delegates that support it. */
function* callDelegate(
  { config, environment }: DelegateCall,
  more: Readonly<Record<string, unknown>>,
): Plan<void> {
  const versions = yield* supportedVersions(config, environment);
  const isKnown = versions.some((adapted) => isAtLeast(adapted, '1.1.0'));
  if (isKnown) yield* runPlugin({ ...withVersion(config, '1.1.0'), ...more }, environment);
}

/** @returns the result of VERSION. */
export function version(cniVersion: string): string {
  return JSON.stringify({ cniVersion, supportedVersions: CNI_VERSIONS });
}

/**
 * Runs the delegate; if it does not support the config's version, runs it again in a common
 * version.
 * @param options.onAdapted - called with the adapted config before that run.
 * @param options.isAnswer - whether the result is the answer of the command.
 * @returns the result in the config's own version.
 */
function* runInCommonVersion(
  config: DelegateConfig,
  environment: Environment,
  options: { readonly isAnswer?: true; readonly onAdapted?: (config: DelegateConfig) => Plan<void> } = {},
): Plan<string> {
  try {
    return yield* runPlugin(config, environment, options.isAnswer);
  } catch (error) {
    if (toCniError(error).cniCode !== CNI_CODES.INCOMPATIBLE_VERSION) throw error;
    const other = newestCommonVersion(yield* supportedVersions(config, environment), config.cniVersion);
    if (other === undefined || other === config.cniVersion) throw error;
    const adapted = withVersion(config, other);
    if (options.onAdapted !== undefined) yield* options.onAdapted(adapted);
    const result = yield* runPlugin(adapted, environment);
    if (result.trim() === '') return result;
    return JSON.stringify({ ...(JSON.parse(result) as object), cniVersion: config.cniVersion });
  }
}

// weft-cni's answers to the commands of the CNI specification: it tells a delegate what this host's subnet is, and
// remembers what it told. Order of ADD: remember, then delegate; of DEL: delegate, then forget.
import { AttachmentStore, USUAL_IFNAME } from './attachments.ts';
import { CNI_CODES, CniError, toCniError } from './cni-error.ts';
import { CNI_VERSIONS, isAtLeast, newestCommonVersion } from './cni-version.ts';
import { findPlugin, runPlugin, spokenVersions, withVersion, type Environment } from './delegate.ts';
import { deriveDelegateConfig, type DelegateConfig } from './delegate-config.ts';
import { readHostSubnet } from './host-subnet.ts';
import type { AttachmentId, Network } from './network.ts';

/** What a command works on. */
export interface Request {
  readonly network: Network;
  readonly environment: Environment;
}

export interface AttachmentRequest extends Request {
  readonly id: AttachmentId;
}

/** @returns the result for standard output. @throws CniError */
export function add({ network, environment, id }: AttachmentRequest): string {
  const store = new AttachmentStore(network.dataDir);
  const isKnown = store.find(id, network.name) !== undefined;
  let config = deriveDelegateConfig(network, readHostSubnet(network.subnetFile));
  checkPlugins(config, environment);
  store.save(id, config);
  try {
    return runInSpokenVersion(config, environment, (spoken) => store.save(id, (config = spoken)));
  } catch (error) {
    // What was there before may still be in use; the runtime knows, and asks for DEL.
    if (!isKnown) undo(store, config, { network, environment, id });
    throw error;
  }
}

/** The specification wants a delegate's half-done work removed at once. The runtime's own DEL will report what is left. */
function undo(store: AttachmentStore, config: DelegateConfig, request: AttachmentRequest): void {
  try {
    runPlugin(config, { ...request.environment, CNI_COMMAND: 'DEL' });
    store.remove(request.id, request.network.name);
  } catch {
    // The error of ADD says more.
  }
}

/** An attachment that is not known has been removed. @throws CniError */
export function del({ network, environment, id }: AttachmentRequest): void {
  const store = new AttachmentStore(network.dataDir);
  const saved = store.find(id, network.name);
  if (saved === undefined) return;
  // A damaged file must not keep a container from ever being removed.
  const config =
    saved === 'unreadable'
      ? deriveDelegateConfig(network, readHostSubnet(network.subnetFile))
      : { ...saved, ...network.extras };
  runInSpokenVersion(withPrevResult(config, network), environment);
  store.remove(id, network.name);
}

/** @throws CniError if something is not as ADD left it, or the addresses are not this host's any more. */
export function check({ network, environment, id }: AttachmentRequest): void {
  const saved = new AttachmentStore(network.dataDir).find(id, network.name);
  if (saved === undefined || saved === 'unreadable')
    throw new CniError(
      CNI_CODES.UNKNOWN_CONTAINER,
      `Nothing in ${network.dataDir} tells of ${id.ifname} of container ${id.containerId}`,
    );
  checkSubnet(saved, network);
  runInSpokenVersion(withPrevResult(saved, network), environment);
}

function checkSubnet(saved: DelegateConfig, network: Network): void {
  const { ipam } = deriveDelegateConfig(network, readHostSubnet(network.subnetFile));
  const [then, now] = [saved.ipam, ipam].map(({ ranges }) => JSON.stringify(ranges));
  if (then !== now)
    throw new CniError(
      CNI_CODES.SUBNET_CHANGED,
      'This host has another subnet than when the container was added: make the container anew',
      `then: ${then}, now: ${now}`,
    );
}

function withPrevResult(config: DelegateConfig, { prevResult }: Network): DelegateConfig {
  return prevResult === undefined ? config : withVersion({ ...config, prevResult }, config.cniVersion);
}

/**
 * Removes what containers left that are gone, also where the delegate itself knows no GC.
 * @throws CniError with all that could not be removed.
 */
export function collectGarbage({ network, environment }: Request): void {
  const { validAttachments } = network;
  if (validAttachments === undefined)
    throw new CniError(
      CNI_CODES.INVALID_CONFIG,
      "The network config has no cni.dev/valid-attachments: without it every container's network would be removed",
    );
  const store = new AttachmentStore(network.dataDir);
  const failures: string[] = [];
  for (const attachment of store.list(network.name).filter((saved) => !isValid(saved, validAttachments)))
    try {
      const { containerId, ifname, config } = attachment;
      const names = { CNI_CONTAINERID: containerId, CNI_IFNAME: ifname, CNI_NETNS: '' };
      runPlugin(config, { ...environment, ...names, CNI_COMMAND: 'DEL' });
      store.remove(attachment, network.name);
    } catch (error) {
      failures.push(`${attachment.ifname} of ${attachment.containerId}: ${toCniError(error).message}`);
    }
  askDelegate(
    { network, environment },
    {
      'cni.dev/valid-attachments': validAttachments.map(({ containerId, ifname }) => ({
        containerID: containerId,
        ifname,
      })),
    },
  );
  if (failures.length > 0)
    throw new CniError(CNI_CODES.DELEGATE_FAILED, 'Not everything could be removed', failures.join('; '));
}

/** Of flannel's plugin the name of a file tells no interface. */
function isValid(saved: AttachmentId, valid: readonly AttachmentId[]): boolean {
  return valid.some(
    ({ containerId, ifname }) =>
      containerId === saved.containerId && (ifname === saved.ifname || saved.ifname === USUAL_IFNAME),
  );
}

/** Looks for what ADD will run, so that its lack is known before anything is done. @throws CniError */
function checkPlugins(config: DelegateConfig, environment: Environment): void {
  for (const type of [config.type, String(config.ipam['type'])]) findPlugin(type, environment);
}

/** @throws CniError, `UNAVAILABLE` unless ADD could work. */
export function status({ network, environment }: Request): void {
  try {
    const config = deriveDelegateConfig(network, readHostSubnet(network.subnetFile));
    checkPlugins(config, environment);
  } catch (error) {
    throw new CniError(CNI_CODES.UNAVAILABLE, toCniError(error).message);
  }
  askDelegate({ network, environment }, {});
}

/** Hands a command of version 1.1 on, to delegates that know of it. */
function askDelegate({ network, environment }: Request, more: Readonly<Record<string, unknown>>): void {
  const config = deriveDelegateConfig(network, readHostSubnet(network.subnetFile));
  const isKnown = spokenVersions(config, environment).some((spoken) => isAtLeast(spoken, '1.1.0'));
  if (isKnown) runPlugin({ ...withVersion(config, '1.1.0'), ...more }, environment);
}

/** @returns the answer to VERSION. */
export function version(asked: string): string {
  return JSON.stringify({ cniVersion: asked, supportedVersions: CNI_VERSIONS });
}

/**
 * Runs the delegate; if it does not speak the config's version, once more in one that it does.
 * @param onSpoken - told of the other config before it is run.
 * @returns the result in the config's own version.
 */
function runInSpokenVersion(
  config: DelegateConfig,
  environment: Environment,
  onSpoken: (config: DelegateConfig) => void = () => undefined,
): string {
  try {
    return runPlugin(config, environment);
  } catch (error) {
    if (toCniError(error).cniCode !== CNI_CODES.INCOMPATIBLE_VERSION) throw error;
    const other = newestCommonVersion(spokenVersions(config, environment), config.cniVersion);
    if (other === undefined || other === config.cniVersion) throw error;
    const spoken = withVersion(config, other);
    onSpoken(spoken);
    const result = runPlugin(spoken, environment);
    if (result.trim() === '') return result;
    return JSON.stringify({ ...(JSON.parse(result) as object), cniVersion: config.cniVersion });
  }
}

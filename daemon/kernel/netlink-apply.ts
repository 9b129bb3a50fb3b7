// Applies steps in order: runs of table entries in large batches; links, path routes, sysctls and
// the firewall one by one between them. One result a step; a rejected step does not stop the
// others.
import type { CloudRoutes } from './cloud/cloud-routes.ts';
import type { CommandStep, CommandTable } from './commands/command-table.ts';
import type { IkeConnections } from './ipsec/ike-connections.ts';
import type { XfrmPolicies } from './ipsec/xfrm-policies.ts';
import type { FouPorts } from './fou-ports.ts';
import { ensureFou } from './netlink-fou.ts';
import { ensureIpip } from './netlink-ipip.ts';
import type { Features } from './features.ts';
import { ensureTun, ensureVxlan, removeLink } from './netlink-links.ts';
import type { Step, StepResult } from './kernel.ts';
import { DONE, type Outcome, rejection } from './netlink/outcome.ts';
import type { Request, NetlinkClient } from './netlink/netlink-client.ts';
import { readDevice, type Device, type KnownDevices } from './known-devices.ts';
import type { FirewallTable } from './firewall/firewall-table.ts';
import type { PathTable } from './path-table.ts';
import type { WireguardDevices } from './wireguard/wireguard-devices.ts';
import type { FeatureObject, PathRouteObject, WireguardPeerObject } from '../../backends/kernel-state.ts';
import {
  NOT_FOUND,
  isTableStep,
  planRetry,
  planStep,
  type PlannedRequest,
  type TableStep,
} from './netlink-steps.ts';
import { writeSysctl } from './sysctl.ts';

/** Where steps are applied. */
export interface ApplyTarget {
  readonly client: NetlinkClient;
  readonly devices: KnownDevices;
  readonly path: PathTable;
  readonly features: Features;
  readonly fouPorts: FouPorts;
  readonly wireguard: WireguardDevices;
  /** Unset if the firewall is not managed. */
  readonly firewall: FirewallTable | undefined;
  readonly policies?: Pick<XfrmPolicies, 'apply'> | undefined;
  readonly ike?: Pick<IkeConnections, 'apply'> | undefined;
  /** Unset if no route of a cloud is managed. */
  readonly cloudRoutes?: Pick<CloudRoutes, 'apply'> | undefined;
  /** Unset if no commands are run. */
  readonly commands: Pick<CommandTable, 'apply'> | undefined;
}

/** One result a step, in order. Never rejects. */
export async function applySteps(target: ApplyTarget, steps: readonly Step[]): Promise<StepResult[]> {
  const results: StepResult[] = [];
  while (results.length < steps.length) {
    const entries = takeRun(steps, results.length, isTableStep);
    if (entries.length > 0) results.push(...(await applyRun(target, entries)));
    const pathRoutes = takeRun(steps, results.length, isPathRouteStep);
    if (pathRoutes.length > 0) results.push(...(await applyPathRoutes(target, pathRoutes)));
    const peers = takeRun(steps, results.length, isWireguardStep);
    if (peers.length > 0) results.push(...(await applyWireguard(target, peers)));
    const commands = takeRun(steps, results.length, isCommandStep);
    if (commands.length > 0) results.push(...(await applyCommands(target, commands)));
    const step = steps[results.length];
    if (step !== undefined && !isInRun(step)) results.push(toResult(step, await applySingle(target, step)));
  }
  return results;
}

function isCommandStep(step: Step): step is CommandStep {
  return step.object.kind === 'command';
}

async function applyCommands(
  { commands }: ApplyTarget,
  run: readonly CommandStep[],
): Promise<readonly StepResult[]> {
  if (commands !== undefined) return commands.apply(run);
  return run.map((step) => toResult(step, rejection('EOPNOTSUPP', 'no commands are run here')));
}

type PathRouteStep = Step & { readonly object: PathRouteObject };

function isPathRouteStep(step: Step): step is PathRouteStep {
  return step.object.kind === 'tunnel';
}

type WireguardStep = Step & { readonly object: WireguardPeerObject };

function isWireguardStep(step: Step): step is WireguardStep {
  return step.object.kind === 'wireguard-peer';
}

/** Whether steps of its kind are applied together. */
function isInRun(step: Step): boolean {
  return [isTableStep, isPathRouteStep, isWireguardStep, isCommandStep].some((isPart) => isPart(step));
}

/** The run of steps from `from` on that are all `isPart`. */
function takeRun<Part extends Step>(
  steps: readonly Step[],
  from: number,
  isPart: (step: Step) => step is Part,
): readonly Part[] {
  const run: Part[] = [];
  for (let index = from; index < steps.length; index++) {
    const step = steps[index]!;
    if (!isPart(step)) break;
    run.push(step);
  }
  return run;
}

/** Finds devices once a run: the packet path applies all its steps synchronously. */
async function applyPathRoutes(
  { client, path }: ApplyTarget,
  run: readonly PathRouteStep[],
): Promise<StepResult[]> {
  const devices = await findDevices(client, run);
  return run.map((step) => {
    const device = devices.get(step.object.dev)!;
    if ('status' in device) return toResult(step, withoutDevice(step, device));
    return toResult(step, path.applyPathRoute(step.action, step.object, device));
  });
}

/** One device after the other, in the order of steps within each. */
async function applyWireguard(
  { client, wireguard }: ApplyTarget,
  run: readonly WireguardStep[],
): Promise<StepResult[]> {
  const devices = await findDevices(client, run);
  const outcomes = new Map<WireguardStep, Outcome>();
  for (const [name, device] of devices) {
    const steps = run.filter(({ object }) => object.dev === name);
    const isKnown = !('status' in device);
    const results = isKnown ? await wireguard.applyPeers(device, steps) : [];
    for (const [index, step] of steps.entries())
      outcomes.set(step, isKnown ? results[index]! : withoutDevice(step, device));
  }
  return run.map((step) => toResult(step, outcomes.get(step)!));
}

async function applySingle(target: ApplyTarget, step: Step): Promise<Outcome> {
  const { client, path, features, firewall } = target;
  const { action, object } = step;
  if (object.kind === 'link') {
    target.devices.forget();
    if (action === 'remove') return removeLink(target, object);
    if (object.type === 'tun') return ensureTun(client, path, object, formerName(step));
    if (object.type === 'fou') return ensureFou(target, object);
    if (object.type === 'wireguard') return target.wireguard.ensure(client, object);
    if (object.type === 'ipip') return ensureIpip(client, object);
    return ensureVxlan(client, object, formerName(step));
  }
  if (object.kind === 'firewall')
    return firewall?.apply({ action, object }) ?? rejection('EOPNOTSUPP', 'the firewall is not managed');
  if (object.kind === 'policy')
    return target.policies?.apply(action, object) ?? rejection('EOPNOTSUPP', 'no IPsec is managed here');
  if (object.kind === 'ike' || object.kind === 'charon')
    return target.ike?.apply(action, object) ?? rejection('EOPNOTSUPP', 'no IPsec is managed here');
  if (object.kind === 'cloud-route')
    return target.cloudRoutes?.apply(action, object) ?? rejection('EOPNOTSUPP', 'no cloud is asked here');
  if (object.kind === 'feature') return applyFeature(features, action, object);
  // A sysctl always exists, and its value before weft is unknown: remove leaves it.
  if (object.kind === 'sysctl' && action === 'set') return writeSysctl(object.path, object.value);
  return DONE;
}

async function applyFeature(
  features: Features,
  action: Step['action'],
  { dev, name, isOn }: FeatureObject,
): Promise<Outcome> {
  if (action === 'set') return features.set(dev, name, isOn);
  const outcome = await features.set(dev, name, true);
  return outcome.status === 'rejected' && NOT_FOUND.has(outcome.errno) ? DONE : outcome;
}

/** Present name of the device that `step` sets, if it has a `current` one. */
export function formerName(step: Step): string | undefined {
  const current = step.action === 'set' ? step.current : undefined;
  return current?.kind === 'link' ? current.name : undefined;
}

/** Of many runs one follows the other while the first is done: devices that are known are not read again. */
async function applyRun(
  { client, devices: known }: Pick<ApplyTarget, 'client' | 'devices'>,
  run: readonly TableStep[],
): Promise<readonly StepResult[]> {
  const names = new Set(run.map(({ object }) => object.dev));
  const { devices, areRead } = await known.find(client, names);
  const outcomes = await sendPlans(
    client,
    run.map((step) => plan(devices, step, planStep)),
  );
  if (!areRead && outcomes.some((outcome) => errnoOf(outcome) === 'ENODEV')) {
    // A device was made again since it was read.
    known.forget();
    return applyRun({ client, devices: known }, run);
  }
  const repeated = outcomes.some(({ status }) => status === 'rejected')
    ? await retryRejected(client, devices, run, outcomes)
    : [];
  return run.map((step, index) => {
    const device = devices.get(step.object.dev)!;
    if ('status' in device) return toResult(step, withoutDevice(step, device));
    return toResult(step, repeated[index] ?? outcomes[index]!);
  });
}

/** One outcome a step; undefined where it is not sent again. */
async function retryRejected(
  client: NetlinkClient,
  devices: ReadonlyMap<string, Device>,
  run: readonly TableStep[],
  outcomes: readonly Outcome[],
): Promise<readonly (Outcome | undefined)[]> {
  const retries = run.map((step, index) =>
    plan(devices, step, (_, device) => planRetry(step, device, errnoOf(outcomes[index]!))),
  );
  if (retries.every(({ length }) => length === 0)) return [];
  const repeated = await sendPlans(client, retries);
  return retries.map(({ length }, index) => (length > 0 ? repeated[index] : undefined));
}

type Plan = readonly PlannedRequest[];

function plan(
  devices: ReadonlyMap<string, Device>,
  step: TableStep,
  make: (step: TableStep, device: number) => Plan,
): Plan {
  const device = devices.get(step.object.dev);
  return device === undefined || 'status' in device ? [] : make(step, device.index);
}

/** One outcome a plan: that of its first failed request. */
async function sendPlans(client: NetlinkClient, plans: readonly Plan[]): Promise<readonly Outcome[]> {
  const requests: Request[] = [];
  for (const each of plans) for (const { request } of each) requests.push(request);
  const outcomes = await client.send(requests);
  let next = 0;
  return plans.map((each) => {
    const from = next;
    next += each.length;
    return planOutcome(each, outcomes, from);
  });
}

function errnoOf(outcome: Outcome): string {
  return outcome.status === 'rejected' ? outcome.errno : '';
}

/** Reads the devices in each run: a re-created device has another index. */
async function findDevices(
  client: NetlinkClient,
  run: readonly (PathRouteStep | WireguardStep)[],
): Promise<Map<string, Device>> {
  const devices = new Map<string, Device>();
  for (const { dev } of run.map(({ object }) => object))
    if (!devices.has(dev)) devices.set(dev, await readDevice(client, dev));
  return devices;
}

function withoutDevice(step: Step, outcome: Outcome): Outcome {
  return step.action === 'remove' && outcome.status === 'rejected' && outcome.errno === 'ENODEV'
    ? DONE
    : outcome;
}

function planOutcome(requests: Plan, outcomes: readonly Outcome[], from: number): Outcome {
  for (const [offset, { isRemoval }] of requests.entries()) {
    const outcome = outcomes[from + offset]!;
    if (outcome.status === 'unknown') return outcome;
    if (outcome.status === 'rejected' && !(isRemoval && NOT_FOUND.has(outcome.errno))) return outcome;
  }
  return DONE;
}

function toResult(step: Step, outcome: Outcome): StepResult {
  return outcome.status === 'done' ? { step, status: 'done' } : { step, ...outcome };
}

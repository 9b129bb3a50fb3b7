// Applies steps in order: runs of table entries in large batches, links, tunnels, sysctls and the firewall one by one between them. One
// result a step; a refusal costs its own step only.
import type { Features } from './features.ts';
import { ensureTun, ensureVxlan, removeLink } from './netlink-links.ts';
import type { Step, StepResult } from './kernel.ts';
import { DONE, KernelReadError, type Outcome, refusal } from './netlink/outcome.ts';
import type { Request, NetlinkClient } from './netlink/netlink-client.ts';
import { readLink } from './netlink-reader.ts';
import type { LinkMessage } from './netlink/link.ts';
import type { FirewallTable } from './firewall/firewall-table.ts';
import type { PathTable } from './path-table.ts';
import type { FeatureObject, PathRouteObject } from '../../backends/kernel-state.ts';
import {
  ABSENCE,
  isTableStep,
  planRetry,
  planStep,
  type PlannedRequest,
  type TableStep,
} from './netlink-steps.ts';
import { writeSysctl } from './sysctl.ts';

/** A device, or why steps on it cannot be done. */
type Device = LinkMessage | Outcome;

/** Where steps are applied. */
export interface ApplyTarget {
  readonly engine: NetlinkClient;
  readonly path: PathTable;
  readonly features: Features;
  /** Unset if the firewall is left alone. */
  readonly firewall: FirewallTable | undefined;
}

export async function applySteps(target: ApplyTarget, steps: readonly Step[]): Promise<StepResult[]> {
  const results: StepResult[] = [];
  while (results.length < steps.length) {
    const entries = takeRun(steps, results.length, isTableStep);
    if (entries.length > 0) results.push(...(await applyRun(target.engine, entries)));
    const tunnels = takeRun(steps, results.length, isPathRouteStep);
    if (tunnels.length > 0) results.push(...(await applyPathRoutes(target, tunnels)));
    const step = steps[results.length];
    if (step !== undefined && !isTableStep(step) && !isPathRouteStep(step))
      results.push(toResult(step, await applySingle(target, step)));
  }
  return results;
}

type TunnelStep = Step & { readonly object: PathRouteObject };

function isPathRouteStep(step: Step): step is TunnelStep {
  return step.object.kind === 'tunnel';
}

/** The steps from `from` on that `isPart` of one run. */
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

/** Devices are looked up once: nothing else happens while the packet path does all steps. */
async function applyPathRoutes(
  { engine, path }: ApplyTarget,
  run: readonly TunnelStep[],
): Promise<StepResult[]> {
  const devices = await findDevices(engine, run);
  return run.map((step) => {
    const device = devices.get(step.object.dev)!;
    if ('status' in device) return toResult(step, withoutDevice(step, device));
    return toResult(step, path.applyPathRoute(step.action, step.object, device));
  });
}

async function applySingle(target: ApplyTarget, step: Step): Promise<Outcome> {
  const { engine, path, features, firewall } = target;
  const { action, object } = step;
  if (object.kind === 'link') {
    if (action === 'remove') return removeLink(engine, path, object.name);
    if (object.type === 'tun') return ensureTun(engine, path, object);
    return ensureVxlan(engine, object, formerName(step));
  }
  if (object.kind === 'firewall')
    return firewall?.apply({ action, object }) ?? refusal('EOPNOTSUPP', 'the firewall is left alone');
  if (object.kind === 'feature') return applyFeature(features, action, object);
  // A sysctl always exists; what it was before weft is not known.
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
  return outcome.status === 'refused' && ABSENCE.has(outcome.errno) ? DONE : outcome;
}

/** Name of the device that is to become the one that `step` sets. */
export function formerName(step: Step): string | undefined {
  const current = step.action === 'set' ? step.current : undefined;
  return current?.kind === 'link' ? current.name : undefined;
}

async function applyRun(engine: NetlinkClient, run: readonly TableStep[]): Promise<readonly StepResult[]> {
  const devices = await findDevices(engine, run);
  const outcomes = await sendPlans(
    engine,
    run.map((step) => plan(devices, step, planStep)),
  );
  const second = run.map((step, index) =>
    plan(devices, step, (_, device) => planRetry(step, device, errnoOf(outcomes[index]!))),
  );
  const repeated = second.some(({ length }) => length > 0) ? await sendPlans(engine, second) : [];
  return run.map((step, index) => {
    const device = devices.get(step.object.dev)!;
    if ('status' in device) return toResult(step, withoutDevice(step, device));
    return toResult(step, second[index]!.length > 0 ? repeated[index]! : outcomes[index]!);
  });
}

/** Of a route without one, a blackhole for example. */
const NO_DEVICE = { index: 0 } as LinkMessage;

type Plan = readonly PlannedRequest[];

function plan(
  devices: ReadonlyMap<string, Device>,
  step: TableStep,
  make: (step: TableStep, device: number) => Plan,
): Plan {
  const device = devices.get(step.object.dev);
  return device === undefined || 'status' in device ? [] : make(step, device.index);
}

/** One outcome a plan: the first of its requests that went wrong decides. */
async function sendPlans(engine: NetlinkClient, plans: readonly Plan[]): Promise<readonly Outcome[]> {
  const requests: Request[] = [];
  for (const each of plans) for (const { request } of each) requests.push(request);
  const outcomes = await engine.send(requests);
  let next = 0;
  return plans.map((each) => {
    const from = next;
    next += each.length;
    return judge(each, outcomes, from);
  });
}

function errnoOf(outcome: Outcome): string {
  return outcome.status === 'refused' ? outcome.errno : '';
}

/** Asked anew for every run: a device that was made again has another index. */
async function findDevices(
  engine: NetlinkClient,
  run: readonly (TableStep | TunnelStep)[],
): Promise<Map<string, Device>> {
  const devices = new Map<string, Device>();
  for (const { dev } of run.map(({ object }) => object))
    if (!devices.has(dev)) devices.set(dev, await findDevice(engine, dev));
  return devices;
}

async function findDevice(engine: NetlinkClient, name: string): Promise<Device> {
  if (name === '') return NO_DEVICE;
  try {
    const link = await readLink(engine, { name });
    return link ?? refusal('ENODEV', `no interface ${name}`);
  } catch (error) {
    if (!(error instanceof KernelReadError)) throw error;
    return { status: 'unknown', message: error.message };
  }
}

function withoutDevice(step: Step, outcome: Outcome): Outcome {
  return step.action === 'remove' && outcome.status === 'refused' && outcome.errno === 'ENODEV'
    ? DONE
    : outcome;
}

function judge(requests: Plan, outcomes: readonly Outcome[], from: number): Outcome {
  for (const [offset, { isRemoval }] of requests.entries()) {
    const outcome = outcomes[from + offset]!;
    if (outcome.status === 'unknown') return outcome;
    if (outcome.status === 'refused' && !(isRemoval && ABSENCE.has(outcome.errno))) return outcome;
  }
  return DONE;
}

function toResult(step: Step, outcome: Outcome): StepResult {
  switch (outcome.status) {
    case 'done':
      return { step, ok: true };
    case 'refused':
      return { step, ok: false, errno: outcome.errno, message: outcome.message };
    case 'unknown':
      return { step, ok: 'unknown', message: outcome.message };
  }
}

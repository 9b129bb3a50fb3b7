// Runs all checks in parallel, each with a time limit. A check that fails is a finding of its own.
import { BACKEND_CHECKS } from './checks-backend.ts';
import { CLUSTER_CHECKS } from './checks-cluster.ts';
import { CNI_CHECKS } from './checks-cni.ts';
import { DAEMON_CHECKS, LAST_CHECKS } from './checks-daemon.ts';
import { DOCKER_CHECKS } from './checks-docker.ts';
import { ENGINE_CHECKS } from './checks-engine.ts';
import { ETCD_CHECKS } from './checks-etcd.ts';
import { HOST_CHECKS } from './checks-host.ts';
import { KERNEL_CHECKS } from './checks-kernel.ts';
import { KUBERNETES_CHECKS } from './kubernetes/checks-kubernetes.ts';
import { PATH_CHECKS } from './checks-path.ts';
import { VXLAN_CHECKS } from './path/vxlan-checks.ts';
import { USERSPACE_CHECKS } from './checks-userspace.ts';
import { WIREGUARD_CHECKS } from './backends/checks-wireguard.ts';
import { BRIDGE_CHECKS } from './path/bridge-checks.ts';
import { CNI_STATE_CHECKS } from './path/cni-state-checks.ts';
import { PEER_CHECKS } from './path/peer-checks.ts';
import { PEER_HALF_CHECKS } from './path/peer-half.ts';
import { FIREWALL_CHECKS } from './checks-firewall.ts';
import { PATH_KERNEL_CHECKS } from './path/kernel-checks.ts';
import { ROUTE_CHECKS } from './path/route-checks.ts';
import { CONTAINER_PATH_CHECKS } from './containers/path-check.ts';
import { CONTAINER_ROUTE_CHECKS } from './containers/route-check.ts';
import { LINK_CHECKS } from './containers/link-checks.ts';
import { NAT_CHECKS } from './path/nat-check.ts';
import type { Check, Finding } from './check.ts';
import type { Facts } from './facts.ts';

export const CHECKS: readonly Check[] = [
  ...DAEMON_CHECKS,
  ...ETCD_CHECKS,
  ...KUBERNETES_CHECKS,
  ...CLUSTER_CHECKS,
  ...HOST_CHECKS,
  ...VXLAN_CHECKS,
  ...ENGINE_CHECKS,
  ...BRIDGE_CHECKS,
  ...DOCKER_CHECKS,
  ...CNI_CHECKS,
  ...CNI_STATE_CHECKS,
  ...KERNEL_CHECKS,
  ...ROUTE_CHECKS,
  ...CONTAINER_ROUTE_CHECKS,
  ...LINK_CHECKS,
  ...CONTAINER_PATH_CHECKS,
  ...PATH_KERNEL_CHECKS,
  ...BACKEND_CHECKS,
  ...FIREWALL_CHECKS,
  ...NAT_CHECKS,
  ...PATH_CHECKS,
  ...PEER_CHECKS,
  ...PEER_HALF_CHECKS,
  ...USERSPACE_CHECKS,
  ...WIREGUARD_CHECKS,
  ...LAST_CHECKS,
];

/** Time limit of one check, in ms. */
export const LIMIT_MS = 30_000;

/** Findings of `checks`, errors first, in the order of the checks. */
export async function runChecks(
  facts: Facts,
  checks: readonly Check[] = CHECKS,
  limitMs = LIMIT_MS,
): Promise<readonly Finding[]> {
  const runAll = async (some: readonly Check[]): Promise<Finding[]> =>
    (await Promise.all(some.map((check) => runOne(check, facts, limitMs)))).flat();
  const needsKind = checks.some(({ isAboutEtcd, isAboutKubernetes }) => isAboutEtcd ?? isAboutKubernetes);
  const isKubernetes = needsKind && (await facts.isKubernetes);
  const usual = checks.filter(({ isLastResort }) => isLastResort !== true);
  const isOfRegistry = ({ isAboutEtcd, isAboutKubernetes }: Check): boolean =>
    (isKubernetes ? isAboutEtcd : isAboutKubernetes) !== true;
  const findings = await runAll(usual.filter(isOfRegistry));
  const isExplained = findings.some(({ severity }) => severity === 'error');
  if (!isExplained)
    findings.push(...(await runAll(checks.filter(({ isLastResort }) => isLastResort === true))));
  return ['error', 'warning'].flatMap((severity) => findings.filter((one) => one.severity === severity));
}

async function runOne(check: Check, facts: Facts, limitMs: number): Promise<readonly Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no result within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    const found = await Promise.race([check.run(facts), late]);
    return found.map((one) => ({ check: check.id, ...one }));
  } catch (error) {
    return [
      {
        check: check.id,
        severity: 'warning',
        title: `Unknown ${check.about}: the check failed`,
        evidence: [(error as Error).message],
        impact: 'The fault that it checks for may exist',
        fix: 'run weft doctor as root; if it fails again, report it with weft sysdump',
      },
    ];
  } finally {
    clearTimeout(timer);
  }
}

/** What `checks` could not test, each line once. A check that fails is a finding already. */
export async function listUntested(
  facts: Facts,
  checks: readonly Check[] = CHECKS,
): Promise<readonly string[]> {
  const lines = await Promise.all(
    checks.map(({ notTested }) => notTested?.(facts).catch(() => []) ?? Promise.resolve([])),
  );
  return [...new Set(lines.flat())];
}

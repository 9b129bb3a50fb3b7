// The official e2e.test, run against a cluster of this machine.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INSIDE } from '../../../lab/daemon-command.ts';
import { NODES, type Cluster } from '../e2e/cluster.ts';
import { run } from '../e2e/run-command.ts';
import { writeAgnhostImage } from './agnhost-image.ts';

export interface SpecResult {
  readonly name: string;
  /** Ginkgo's, for example `passed`, `failed` or `skipped`. */
  readonly state: string;
  readonly failure: string;
}

interface GinkgoSpec {
  readonly LeafNodeType: string;
  readonly LeafNodeText: string;
  readonly State: string;
  readonly Failure?: { readonly Message?: string };
}

const FOLDER = `${INSIDE}/kube`;

function program(name: string): string {
  const folder = process.env['KUBE_BIN'];
  if (folder === undefined) throw new Error('KUBE_BIN is not set: run make test-kube-conformance');
  return join(folder, name);
}

/** Imports agnhost on each node, by the names that e2e.test asks for. */
export async function importAgnhost(cluster: Cluster): Promise<void> {
  const images = await run([program('e2e.test'), '--list-images']);
  const names = images.split('\n').filter((name) => /^registry\.k8s\.io\/.*\/agnhost:/.test(name));
  const path = cluster.lab.sandbox.outside(`${FOLDER}/agnhost.tar`);
  await writeAgnhostImage(path, program('agnhost'), names);
  for (const node of NODES)
    await cluster.importImage(node, `${FOLDER.replace('/run', '/run/lab')}/agnhost.tar`);
}

/** Runs the conformance specs that `focus` matches. Those that it does not match are not in the result. */
export async function runConformance(
  cluster: Cluster,
  focus: string,
  timeoutMs: number,
): Promise<readonly SpecResult[]> {
  const folder = `${FOLDER}/conformance`;
  await mkdir(cluster.lab.sandbox.outside(folder), { recursive: true });
  const flags = [
    `--kubeconfig=${FOLDER}/admin.kubeconfig`,
    '--provider=skeleton',
    '--dump-logs-on-failure=false',
    `--ginkgo.focus=${focus}`,
    '--ginkgo.label-filter=Conformance',
    `--ginkgo.json-report=${folder}/report.json`,
    `--ginkgo.timeout=${Math.floor(timeoutMs / 1000)}s`,
    '--ginkgo.no-color',
  ];
  const argv = ['env', `HOME=${folder}`, program('e2e.test'), ...flags];
  const { code, stdout, stderr } = await cluster.lab.sandbox.run(argv, 'etcd', { timeoutMs });
  const report = await readFile(cluster.lab.sandbox.outside(`${folder}/report.json`), 'utf8').catch(
    () => undefined,
  );
  if (report === undefined)
    throw new Error(`e2e.test made no report (${code}): ${(stderr || stdout).slice(-2000)}`);
  const [{ SpecReports: specs }] = JSON.parse(report) as [{ SpecReports: readonly GinkgoSpec[] }];
  return specs
    .filter(({ LeafNodeType, State }) => State === 'failed' || (LeafNodeType === 'It' && State !== 'skipped'))
    .map(({ Failure, LeafNodeText, LeafNodeType, State }) => ({
      name: LeafNodeText.replaceAll(/ \[(?:Node)?Conformance\]/g, '') || LeafNodeType,
      state: State,
      failure: Failure?.Message ?? '',
    }));
}

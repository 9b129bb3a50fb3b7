// Parses the flags of the Kubernetes registry together. It reads no file and opens no connection.
import {
  parseAnnotationPrefix,
  type AnnotationNames,
} from '../../allocator/registry/kubernetes/annotations.ts';
import type { Findings } from './etcd-options.ts';

export interface KubernetesOptions {
  /** Several are separated by commas; empty means from kubeconfig, or of the pod. */
  readonly apiUrl: string;
  /** Path; empty means none. */
  readonly kubeconfigFile: string;
  readonly names: AnnotationNames;
  /** Path of the network config. */
  readonly configPath: string;
  /** Whether the condition NetworkUnavailable of the own Node is written. */
  readonly setsCondition: boolean;
  /** Key of a taint of the own Node that is removed when its network works; empty means none. */
  readonly startupTaint: string;
  /** Name of the own Node, or the pod whose node it is. */
  readonly node: NodeSource;
}

export type NodeSource =
  { readonly name: string } | { readonly podNamespace: string; readonly podName: string };

export interface KubernetesFlagValues {
  readonly 'kube-subnet-mgr': boolean;
  readonly 'kube-api-url': string;
  readonly 'kubeconfig-file': string;
  readonly 'kube-annotation-prefix': string;
  readonly 'net-config-path': string;
  readonly 'set-node-network-unavailable': boolean;
  readonly 'kube-startup-taint': string;
}

/** `undefined` without --kube-subnet-mgr. */
export function parseKubernetesOptions(
  values: KubernetesFlagValues,
  env: Readonly<Record<string, string | undefined>>,
  findings: Findings,
): KubernetesOptions | undefined {
  if (!values['kube-subnet-mgr']) return undefined;
  const prefix = values['kube-annotation-prefix'];
  const names = parseAnnotationPrefix(prefix);
  if (typeof names === 'string')
    findings.errors.push(`${findings.labelOf('kube-annotation-prefix')}=${JSON.stringify(prefix)}: ${names}`);
  const node = nodeSourceOf(env);
  if (node === undefined)
    findings.errors.push(
      `${findings.labelOf('kube-subnet-mgr')}: the environment names no node; set NODE_NAME (or POD_NAME and POD_NAMESPACE) to that of this host`,
    );
  if (typeof names === 'string' || node === undefined) return undefined;
  return {
    apiUrl: values['kube-api-url'],
    kubeconfigFile: values['kubeconfig-file'],
    names,
    configPath: values['net-config-path'],
    setsCondition: values['set-node-network-unavailable'],
    startupTaint: values['kube-startup-taint'],
    node,
  };
}

function nodeSourceOf({
  NODE_NAME: name = '',
  POD_NAME: podName = '',
  POD_NAMESPACE: podNamespace = '',
}: Readonly<Record<string, string | undefined>>): NodeSource | undefined {
  if (name !== '') return { name };
  return podName === '' || podNamespace === '' ? undefined : { podName, podNamespace };
}

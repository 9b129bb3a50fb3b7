// What is kept of a Node object: its identity, its pod CIDRs and the annotations of the overlay.
// Everything else of the object, 14 KB with images, is dropped as it is read.
import type { AnnotationNames } from './annotations.ts';

/** Fields of a Node, or of its PartialObjectMetadata, that are read. Any of them may be missing. */
export interface NodeObject {
  readonly metadata?: {
    readonly name?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: {
    readonly podCIDR?: string;
    readonly podCIDRs?: readonly string[];
    readonly taints?: readonly { readonly key?: string }[];
  };
}

/** A node as the registry keeps it. */
export interface NodeRecord {
  readonly name: string;
  readonly uid: string;
  /** Annotations of the overlay that are set, by the short names of {@link AnnotationNames}. */
  readonly annotations: Readonly<Partial<Record<keyof AnnotationNames, string>>>;
  /** Unset while they are unknown: metadata alone does not carry them. Empty: none assigned yet. */
  readonly podCidrs?: readonly string[];
}

/** What weft publishes besides flannel's annotations, so that peers need no second request. */
export interface WeftAnnotation {
  /** UID of the Node that the CIDRs belong to: a copied annotation is not believed. */
  readonly uid: string;
  readonly podCidrs: readonly string[];
  /** As in the value of a key in etcd. */
  readonly weft?: unknown;
}

/** Bounds on what a node's annotations may hold, in UTF-16 units. */
const MAX_ANNOTATION_CHARACTERS = 16_384;

/** @param known - pod CIDRs by UID from earlier reads; they never change for a UID. */
export function projectNode(
  object: NodeObject,
  names: AnnotationNames,
  known?: (uid: string) => readonly string[] | undefined,
): NodeRecord | undefined {
  const { name, uid = '', annotations: all = {} } = object.metadata ?? {};
  if (name === undefined || name === '') return undefined;
  const annotations: Partial<Record<keyof AnnotationNames, string>> = {};
  for (const [short, full] of Object.entries(names) as [keyof AnnotationNames, string][]) {
    const value = all[full];
    if (typeof value === 'string' && value.length <= MAX_ANNOTATION_CHARACTERS) annotations[short] = value;
  }
  const podCidrs = cidrsOfSpec(object) ?? known?.(uid) ?? readWeftAnnotation(annotations.weft, uid)?.podCidrs;
  return { name, uid, annotations, ...(podCidrs && { podCidrs }) };
}

function cidrsOfSpec({ spec }: NodeObject): readonly string[] | undefined {
  if (spec === undefined) return undefined;
  const { podCIDR, podCIDRs } = spec;
  if (podCIDRs !== undefined && podCIDRs.length > 0) return podCIDRs;
  return podCIDR === undefined || podCIDR === '' ? [] : [podCIDR];
}

/** `undefined` unless it is well-formed and of the Node `uid`. */
export function readWeftAnnotation(text: string | undefined, uid: string): WeftAnnotation | undefined {
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Partial<WeftAnnotation> | null;
    const { podCidrs } = value ?? {};
    if (value?.uid !== uid || !Array.isArray(podCidrs) || podCidrs.length > 2) return undefined;
    return podCidrs.every((cidr) => typeof cidr === 'string')
      ? { uid, podCidrs, weft: value.weft }
      : undefined;
  } catch {
    return undefined;
  }
}

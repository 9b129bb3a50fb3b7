// Names of the annotations in which nodes publish their leases: flannel's, and one of weft's own
// below the same prefix. Source: flannel, pkg/subnet/kube/annotations.go.

/** Names of annotations, complete with prefix. */
export interface AnnotationNames {
  /** `"true"` on nodes that take part. */
  readonly isManaged: string;
  readonly backendType: string;
  /** JSON text; `null` if the backend has none. */
  readonly backendData: string;
  readonly backendV6Data: string;
  /** Underlay addresses that peers send to. */
  readonly publicIp: string;
  readonly publicIpv6: string;
  /** Set by an operator: what the node publishes instead of its own address. */
  readonly publicIpOverwrite: string;
  readonly publicIpv6Overwrite: string;
  /** Set by an operator: takes the place of the flags --public-ip and --public-ipv6 at start. */
  readonly nodePublicIp: string;
  readonly nodePublicIpv6: string;
  /** JSON of {@link WeftAnnotation}, on nodes that run weft. */
  readonly weft: string;
}

export const DEFAULT_PREFIX = 'flannel.alpha.coreos.com';

const PREFIX = /^(?:[a-z0-9_-]+\.)+[a-z0-9_-]+\/(?:[a-z0-9_-]+-)?$/;

/**
 * Builds the names from the flag --kube-annotation-prefix: `org.com` stands for `org.com/`, and
 * `org.com/prefix` for `org.com/prefix-`. Returns the reason if the prefix is not usable.
 */
export function parseAnnotationPrefix(text: string): AnnotationNames | string {
  const withSlash = text.includes('/') ? text : `${text}/`;
  const prefix = /[/-]$/.test(withSlash) ? withSlash : `${withSlash}-`;
  if (!PREFIX.test(prefix))
    return 'must be a domain in lower case with at most one "/" and a stem, like flannel.alpha.coreos.com or example.com/weft';
  return namesBelow(prefix);
}

function namesBelow(prefix: string): AnnotationNames {
  return {
    isManaged: `${prefix}kube-subnet-manager`,
    backendType: `${prefix}backend-type`,
    backendData: `${prefix}backend-data`,
    backendV6Data: `${prefix}backend-v6-data`,
    publicIp: `${prefix}public-ip`,
    publicIpv6: `${prefix}public-ipv6`,
    publicIpOverwrite: `${prefix}public-ip-overwrite`,
    publicIpv6Overwrite: `${prefix}public-ipv6-overwrite`,
    nodePublicIp: `${prefix}node-public-ip`,
    nodePublicIpv6: `${prefix}node-public-ipv6`,
    weft: `${prefix}weft`,
  };
}

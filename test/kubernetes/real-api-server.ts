// A real kube-apiserver for suites: the command line, its files, and requests as an administrator.
// The caller runs it beside an etcd. KUBE_APISERVER names the program.
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { ADMIN_TOKEN } from '../../lab/kubernetes/api-server.ts';
import { waitFor } from '../../lab/wait.ts';
import { collectionOf, type ManifestObject } from '../support/kubernetes/manifest-objects.ts';

const MANIFESTS = new URL('../../../deploy/kubernetes/', import.meta.url);

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Call {
  readonly url: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly token?: string;
  /** Default: a strategic merge for PATCH, JSON otherwise. */
  readonly contentType?: string;
}

/** One request, whatever certificate the server has. */
export function call({ body, method = 'GET', token = ADMIN_TOKEN, url, ...rest }: Call): Promise<Answer> {
  const usual = method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json';
  const { contentType = usual } = rest;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method,
      rejectUnauthorized: false,
      headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
    });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** @throws unless the answer is 2xx. */
export async function mustCall(one: Call): Promise<Record<string, unknown>> {
  const { body, status } = await call(one);
  if (status < 200 || status > 299) throw new Error(`${one.method ?? 'GET'} ${one.url}: ${status} ${body}`);
  return JSON.parse(body) as Record<string, unknown>;
}

/** Applies the manifest of weft's rights; unknown fields are errors. */
export function applyRights(url: string): Promise<void> {
  return applyManifest(url, 'rbac.yaml');
}

/** Applies a manifest of deploy/kubernetes. */
export async function applyManifest(url: string, name: string): Promise<void> {
  const manifest = await readFile(fileURLToPath(new URL(name, MANIFESTS)), 'utf8');
  for (const document of parseAllDocuments(manifest)) {
    const body = document.toJS() as ManifestObject;
    await mustCall({ url: `${url}${collectionOf(body)}?fieldValidation=Strict`, method: 'POST', body });
  }
}

/** A token of weft's service account that is bound to the Node `name`, as one of a pod there is. */
export async function tokenFor(url: string, name: string): Promise<string> {
  const node = await mustCall({ url: `${url}/api/v1/nodes/${name}` });
  const { uid } = node['metadata'] as { uid: string };
  const answer = await mustCall({
    url: `${url}/api/v1/namespaces/weft-system/serviceaccounts/weft/token`,
    method: 'POST',
    body: { spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Node', name, uid } } },
  });
  return (answer['status'] as { token: string }).token;
}

const POLICIES = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies';
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings';
const DROPPING = 'drop-an-annotation';

/** Makes the server drop an annotation of each Node that has it, as an admission webhook may. */
export async function dropAnnotation(url: string, annotation: string): Promise<void> {
  const expression = `[JSONPatch{op: "remove", path: "/metadata/annotations/${annotation.replaceAll('/', '~1')}"}]`;
  await mustCall({
    url: `${url}${POLICIES}`,
    method: 'POST',
    body: {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicy',
      metadata: { name: DROPPING },
      spec: {
        reinvocationPolicy: 'Never',
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [''],
              apiVersions: ['v1'],
              operations: ['UPDATE'],
              resources: ['nodes', 'nodes/status'],
            },
          ],
        },
        matchConditions: [
          {
            name: 'has-it',
            expression: `has(object.metadata.annotations) && "${annotation}" in object.metadata.annotations`,
          },
        ],
        mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }],
      },
    },
  });
  await mustCall({
    url: `${url}${BINDINGS}`,
    method: 'POST',
    body: {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name: DROPPING },
      spec: { policyName: DROPPING },
    },
  });
  await waitFor('the annotation to be dropped', async () => !(await keepsAnnotation(url, annotation)));
}

/** Removes what {@link dropAnnotation} made. */
export async function keepAnnotations(url: string): Promise<void> {
  for (const path of [BINDINGS, POLICIES])
    await mustCall({ url: `${url}${path}/${DROPPING}`, method: 'DELETE' });
  await waitFor('annotations to be kept', () => keepsAnnotation(url, `${ANY}/public-ip`));
}

const ANY = 'flannel.alpha.coreos.com';

/** Whether a write of the annotation to any Node would stay; nothing is written. */
async function keepsAnnotation(url: string, annotation: string): Promise<boolean> {
  const { items } = (await mustCall({ url: `${url}/api/v1/nodes` })) as {
    items: { metadata: { name: string } }[];
  };
  const node = (await mustCall({
    url: `${url}/api/v1/nodes/${items[0]!.metadata.name}/status?dryRun=All`,
    method: 'PATCH',
    body: { metadata: { annotations: { [annotation]: 'probe' } } },
  })) as { metadata: { annotations?: Record<string, string> } };
  return node.metadata.annotations?.[annotation] === 'probe';
}

import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { findAccess } from './find-access.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-access-'));
});
afterEach(() => rm(folder, { recursive: true }));

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function kubeconfig(user: string, cluster = ''): Promise<string> {
  const path = join(folder, 'config');
  await writeFile(
    path,
    `apiVersion: v1
kind: Config
current-context: lab
contexts: [{ name: lab, context: { cluster: c, user: u } }]
clusters: [{ name: c, cluster: { server: "https://198.18.0.1:6443/", ${cluster} } }]
users:
- name: u
  user: ${user}
`,
  );
  return path;
}

describe('findAccess', () => {
  it('takes the service account of the pod and reads its token each time', async () => {
    await writeFile(join(folder, 'token'), 'one\n');
    await writeFile(join(folder, 'ca.crt'), 'CA');
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    const access = await findAccess({ apiUrl: '', kubeconfigFile: '' }, env, folder);
    assert.deepEqual(access.servers, ['https://[fd00::1]:443']);
    assert.equal(await access.readAuthority(), 'CA');
    assert.deepEqual(await access.readCredentials(), { token: 'one' });
    await writeFile(join(folder, 'token'), 'two\n');
    assert.deepEqual(await access.readCredentials(), { token: 'two' });
  });

  it('tries several URLs of --kube-api-url with the credentials of the kubeconfig', async () => {
    const kubeconfigFile = await kubeconfig('{ token: t }');
    const access = await findAccess({ apiUrl: 'https://a:1, https://b:2/', kubeconfigFile }, {});
    assert.deepEqual(access.servers, ['https://a:1', 'https://b:2']);
    assert.deepEqual(await access.readCredentials(), { token: 't' });
  });

  it('reads inline data and files beside the kubeconfig', async () => {
    await writeFile(join(folder, 'key.pem'), 'KEY');
    const path = await kubeconfig(
      `{ client-certificate-data: ${base64('CERT')}, client-key: key.pem }`,
      `certificate-authority-data: ${base64('CA')}, tls-server-name: api.example`,
    );
    const access = await findAccess({ apiUrl: '', kubeconfigFile: path }, {});
    assert.equal(await access.readAuthority(), 'CA');
    assert.equal(access.tlsServerName, 'api.example');
    assert.deepEqual(await access.readCredentials(), { certificate: 'CERT', key: 'KEY' });
  });

  it('runs a credential plugin', async () => {
    const plugin = join(folder, 'plugin');
    await writeFile(
      plugin,
      `#!/bin/sh
echo "{\\"status\\":{\\"token\\":\\"$WORD-$1\\",\\"expirationTimestamp\\":\\"2030-01-01T00:00:00Z\\"}}"`,
    );
    await chmod(plugin, 0o755);
    const user = '{ exec: { command: ./plugin, args: [x], env: [{ name: WORD, value: hello }] } }';
    const access = await findAccess(
      { apiUrl: '', kubeconfigFile: await kubeconfig(user) },
      { PATH: process.env['PATH'] },
    );
    assert.deepEqual(await access.readCredentials(), { token: 'hello-x', expiresAtMs: Date.UTC(2030, 0, 1) });
  });

  it('shows what a failing plugin said, and nothing of an output that may be secret', async () => {
    const plugin = join(folder, 'plugin');
    await writeFile(
      plugin,
      '#!/bin/sh\nif [ "$1" = bad ]; then echo s3cret; else echo "no session" >&2; exit 1; fi',
    );
    await chmod(plugin, 0o755);
    const read = async (arg: string): Promise<unknown> => {
      const path = await kubeconfig(`{ exec: { command: ./plugin, args: [${arg}] } }`);
      const access = await findAccess({ apiUrl: '', kubeconfigFile: path }, {});
      return access.readCredentials().catch((error: Error) => error.message);
    };
    assert.match(String(await read('x')), /"\.\/plugin" of the kubeconfig failed: no session/);
    assert.match(String(await read('bad')), /it printed no JSON/);
    assert.doesNotMatch(String(await read('bad')), /s3cret/);
  });

  for (const [what, options, expected] of [
    ['nothing at all', { apiUrl: '', kubeconfigFile: '' }, /set --kubeconfig-file or --kube-api-url/],
    ['a URL without scheme', { apiUrl: 'host:6443', kubeconfigFile: '' }, /--kube-api-url: "host:6443"/],
    [
      'a missing file',
      { apiUrl: '', kubeconfigFile: '/nonexistent/config' },
      /cannot read \/nonexistent\/config/,
    ],
  ] as const)
    it(`names the remedy for ${what}`, async () => {
      await assert.rejects(findAccess(options, {}), expected);
    });

  it('names the context that is missing', async () => {
    const path = join(folder, 'config');
    await writeFile(path, 'current-context: gone\ncontexts: []\n');
    await assert.rejects(
      findAccess({ apiUrl: '', kubeconfigFile: path }, {}),
      /current-context "gone" is not among/,
    );
  });
});

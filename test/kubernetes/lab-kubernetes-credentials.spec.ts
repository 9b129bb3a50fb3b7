// Credentials, rights and certificates of daemons on a real API server, and its faults: the daemon
// says what is wrong and what to do, is right in the end, and containers reach each other all the time.
import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'mocha';
import { INSIDE } from '../../lab/daemon-command.ts';
import type { Lab } from '../../lab/lab.ts';
import { ETCD_ADDRESS } from '../../lab/topology.ts';
import { startPings } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { makeCertificates, type Certificates } from '../support/certificates.ts';
import { askReadyz, logOf } from '../support/daemon-view.ts';
import { canPing, shellTest, useLab, waitUntilReady } from '../support/lab-suite.ts';
import { LabCluster, PREFIX } from '../support/kubernetes/lab-cluster.ts';
import { PORTS, SecuredServers, writeKubeconfig } from '../support/kubernetes/secured-servers.ts';

const CONFIG = '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}';
const HOSTS = ['h1', 'h2'] as const;
type Host = (typeof HOSTS)[number];
const FOLLOW_MS = 100_000;
const [FIRST, SECOND] = PORTS;

describe('credentials and faults of a real API server', () => {
  const useIt = useLab({ hosts: HOSTS.length, start: false });
  const secrets: string[] = [];
  let [current, next, foreign] = [] as unknown as [Certificates, Certificates, Certificates];
  let lab: Lab;
  let servers: SecuredServers;
  let cluster: LabCluster;
  let flannelNodes = 0;

  const outside = (host: Host, name: string): string => lab.sandbox.outside(`${INSIDE}/${host}/${name}`);
  const trust = (host: Host, { ca }: Certificates): Promise<void> => copyFile(ca, outside(host, 'ca.crt'));
  const give = async (host: Host, token: string): Promise<void> => {
    secrets.push(token);
    await writeFile(outside(host, 'token'), token);
  };
  const start = async (host: Host): Promise<void> => {
    const kubeconfig = `${INSIDE}/${host}/kubeconfig`;
    // The second server is started by the last tests only.
    const urls = (host === 'h1' ? PORTS : [FIRST]).map((port) => servers.urlOf(port)).join(',');
    await cluster.startDaemon(host, [`--kubeconfig-file=${kubeconfig}`, `--kube-api-url=${urls}`]);
  };
  const restart = async (host: Host): Promise<void> => {
    await lab.stopDaemon(host);
    await start(host);
    await waitUntilReady(lab, host);
  };

  before(async function setUp() {
    this.timeout(180_000);
    lab = useIt();
    servers = new SecuredServers(lab);
    cluster = new LabCluster(lab, servers);
    const names = `IP:${ETCD_ADDRESS}`;
    [current, next, foreign] = await Promise.all([
      makeCertificates(names),
      makeCertificates(names),
      makeCertificates(names),
    ]);
    await servers.prepare(current);
    await servers.start(FIRST);
    await servers.grantRights();
    await cluster.putConfig(CONFIG);
    for (const [index, host] of HOSTS.entries()) {
      await cluster.addNode(host, [`10.244.${index + 1}.0/24`]);
      await writeKubeconfig(lab, host, servers.urlOf(FIRST));
      await trust(host, current);
      await give(host, await servers.tokenOf({ kind: 'Node', name: host }));
      await start(host);
    }
    for (const host of HOSTS) {
      await waitUntilReady(lab, host);
      await lab.attachContainer(host);
    }
    await waitFor('c1 to reach h2', () => canPing(lab, 'c1', 'h2'), FOLLOW_MS);
  });
  after(() => Promise.all([current, next, foreign].map((certificates) => certificates.remove())));

  /** What the daemon says of itself, in each place where an administrator reads. */
  const says = (host: Host, pattern: RegExp): Promise<void> =>
    waitFor(
      `${host} to say ${String(pattern)}`,
      async () =>
        pattern.test((await askReadyz(lab, host)).body) &&
        pattern.test((await lab.weft(host, ['status'])).stdout),
      FOLLOW_MS,
    );
  const doctorOf = async (host: Host, check: string): Promise<string> => {
    const { stdout } = await lab.weft(host, ['doctor', '--only', check]);
    return stdout.replaceAll(/\s+/g, ' ');
  };
  /** Both hosts follow a change that happens now: nothing is left of a fault. */
  const assertFollowed = async (hosts: readonly Host[] = HOSTS): Promise<void> => {
    const number = ++flannelNodes;
    const cidr = `10.244.${100 + number}.0/24`;
    await cluster.addFlannelNode(`late-${number}`, cidr, `198.18.9.${number}`);
    for (const host of hosts) {
      const follows = () => shellTest(lab, host, `ip route show ${cidr} | grep -q flannel.1`);
      await waitFor(`${host} to follow`, follows, FOLLOW_MS);
    }
  };
  const assertHealthy = async (): Promise<void> => {
    await assertFollowed();
    for (const host of HOSTS) {
      const isQuiet = async () => !/not reachable|failed/.test((await askReadyz(lab, host)).body);
      await waitFor(`${host} to report nothing`, isQuiet, FOLLOW_MS);
    }
  };

  /** Runs `action` while containers of both hosts ping each other, and lose nothing. */
  async function undisturbed(action: () => Promise<unknown>): Promise<void> {
    const all = await Promise.all(
      [
        ['c1', 'h2'],
        ['c2', 'h1'],
      ].map(async ([from, to]) => startPings(lab, from!, await lab.containerAddress(to!), 200)),
    );
    try {
      await action();
    } finally {
      for (const { lost, sent } of await Promise.all(all.map((pings) => pings.stop())))
        assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    }
  }

  /** Peers do without this one, and the daemon writes it again. */
  const WEFT = `${PREFIX}weft`;
  const loseAnnotation = (host: Host): Promise<unknown> => cluster.annotate(host, { [WEFT]: null });
  const isPublishedAgain = (host: Host): Promise<void> =>
    waitFor(
      `${host} to publish again`,
      async () => (await cluster.node(host)).metadata.annotations?.[WEFT] !== undefined,
      FOLLOW_MS,
    );

  // A case of flannel's own functional suite: a kubeconfig with certificates, and an address set before.
  it('starts with certificates of the kubeconfig, and publishes the address that was set before', async () => {
    const publicIp = async () => (await cluster.node('h2')).metadata.annotations?.[`${PREFIX}public-ip`];
    await servers.grantRightsTo('client');
    await writeKubeconfig(lab, 'h2', servers.urlOf(FIRST), current);
    await cluster.annotate('h2', { [`${PREFIX}public-ip-overwrite`]: '172.18.0.2' });
    await restart('h2');
    await waitFor('h2 to publish it', async () => (await publicIp()) === '172.18.0.2', FOLLOW_MS);
    await cluster.annotate('h2', { [`${PREFIX}public-ip-overwrite`]: null });
    const own = lab.host('h2').publicIp;
    await waitFor('h2 to publish its own', async () => (await publicIp()) === own, FOLLOW_MS);
    await writeKubeconfig(lab, 'h2', servers.urlOf(FIRST));
    await restart('h2');
    await waitFor('c1 to reach h2', () => canPing(lab, 'c1', 'h2'), FOLLOW_MS);
  });

  it('goes on with the token that takes the place of one that was revoked with its pod', () =>
    undisturbed(async () => {
      await servers.addPod('weft-h1', 'h1');
      const token = await servers.tokenOf({ kind: 'Pod', name: 'weft-h1' });
      await give('h1', token);
      await restart('h1');
      await servers.deletePod('weft-h1');
      await waitFor('the token to end', async () => !(await servers.accepts(token)), FOLLOW_MS);
      await give('h1', await servers.tokenOf({ kind: 'Node', name: 'h1' }));
      await loseAnnotation('h1');
      await isPublishedAgain('h1');
      await assertHealthy();
    }));

  it('names a token that has expired, and goes on once there is another', () =>
    undisturbed(async () => {
      const token = await servers.shortTokenOf('h1', 15);
      await give('h1', token);
      await restart('h1');
      await waitFor('the token to end', async () => !(await servers.accepts(token)), FOLLOW_MS);
      await loseAnnotation('h1');
      await says('h1', /credentials are not valid \(any more\): check the token or certificate/);
      assert.match(await doctorOf('h1', 'kube-denied'), /credentials are not valid.*create token weft/);
      assert.ok(await lab.isReady('h1'));
      await give('h1', await servers.tokenOf({ kind: 'Node', name: 'h1' }));
      await isPublishedAgain('h1');
      await assertHealthy();
    }));

  it('names a right to write that is missing, and goes on once it is granted', () =>
    undisturbed(async () => {
      await servers.setVerbs(['get', 'list', 'watch'], []);
      await loseAnnotation('h2');
      await says('h2', /cannot patch resource "nodes\/status".*grant it with the ClusterRole/);
      assert.match(await doctorOf('h2', 'kube-denied'), /denied: patch nodes\/status/);
      await assertFollowed();
      await servers.setVerbs(['get', 'list', 'watch'], ['patch']);
      await isPublishedAgain('h2');
      await assertHealthy();
    }));

  it('names rights that are missing, and goes on once they are granted', () =>
    undisturbed(async () => {
      await servers.revokeRights();
      await loseAnnotation('h2');
      // A watch that was allowed once goes on.
      await servers.stop(FIRST);
      await servers.start(FIRST);
      for (const host of HOSTS) await says(host, /cannot (?:list|watch) resource "nodes".*grant it with/);
      const doctor = await doctorOf('h1', 'kube-denied');
      for (const right of ['list nodes', 'watch nodes', 'patch nodes/status'])
        assert.match(doctor, new RegExp(`denied: ${right}`));
      assert.match(doctor, /kubectl apply -f deploy\/kubernetes\/rbac\.yaml/);
      for (const host of HOSTS) assert.ok(await lab.isReady(host));
      await servers.grantRights('ClusterRoleBinding');
      await isPublishedAgain('h2');
      await assertHealthy();
    }));

  it('names an authority that is not that of the server, and takes the right one from the file', () =>
    undisturbed(async () => {
      await trust('h1', foreign);
      await restart('h1');
      await says('h1', /certificate is not of the configured authority: check certificate-authority/);
      assert.match(await doctorOf('h1', 'kube-unreachable'), /not of the configured authority/);
      await trust('h1', current);
      await assertHealthy();
    }));

  it('follows an authority that is replaced', () =>
    undisturbed(async () => {
      await servers.useCertificates(next);
      await servers.stop(FIRST);
      await servers.start(FIRST);
      for (const host of HOSTS) await says(host, /certificate is not of the configured authority/);
      for (const host of HOSTS) await trust(host, next);
      await assertHealthy();
    }));

  it('follows an API server that restarts', () =>
    undisturbed(async () => {
      await servers.stop(FIRST);
      await servers.start(FIRST);
      await assertHealthy();
    }));

  it('uses the other API server while one is away, and that one when the other goes', () =>
    undisturbed(async () => {
      await servers.start(SECOND);
      await servers.stop(FIRST);
      servers.port = SECOND;
      await assertFollowed(['h1']);
      await loseAnnotation('h1');
      await isPublishedAgain('h1');
      await says('h2', /registry is not reachable/);
      assert.match(await doctorOf('h1', 'kube-unreachable'), /6443 does not answer/);
      await servers.start(FIRST);
      await servers.stop(SECOND);
      servers.port = FIRST;
      await assertHealthy();
    }));

  it('follows an etcd that is restored from a backup behind API servers', () =>
    undisturbed(async () => {
      await servers.backUp();
      await assertFollowed();
      const lost = `10.244.${100 + flannelNodes}.0/24`;
      // Revisions of the API server are in the future of this etcd; its cache goes on with them.
      await servers.restore();
      for (const host of HOSTS) assert.ok(await lab.isReady(host));
      await servers.stop(FIRST);
      await servers.start(FIRST);
      for (const host of HOSTS) {
        const isGone = async () => !(await shellTest(lab, host, `ip route show ${lost} | grep -q .`));
        await waitFor(`${host} to drop what the backup does not have`, isGone, FOLLOW_MS);
      }
      await assertHealthy();
    }));

  it('writes no token into its log', async () => {
    for (const host of HOSTS) {
      const log = await logOf(lab, host);
      for (const token of secrets) assert.ok(!log.includes(token) && !log.includes(token.split('.')[2]!));
    }
  });
});

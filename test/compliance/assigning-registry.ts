// What every registry that assigns subnets must do, as one mocha suite: the same statements hold for
// a real API server and for the fake one of the unit specs.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { LeaseAttributes } from '../../allocator/lease.ts';
import type { Ipv4, Ipv4Cidr, Ipv6Cidr } from '../../lib/address.ts';
import { decodeNodeEntry } from '../../allocator/registry/kubernetes/node-lease.ts';
import {
  revisionAfter,
  type AssigningRegistry,
  type RegistryEntry,
} from '../../allocator/registry/registry.ts';
import type { FakeReport } from '../support/kubernetes/fake-api-server.ts';
import { waitFor } from '../../lab/wait.ts';
import { recordWatch } from '../support/watch-recorder.ts';

export const PREFIX = 'flannel.alpha.coreos.com/';

/** A cluster without nodes, reached from behind. */
export interface AssigningFixture {
  /** A client for the node `name`; the fixture closes it. */
  registry(name: string): AssigningRegistry;
  addNode(name: string, podCidrs?: readonly string[]): Promise<void>;
  /** Gives a node its pod CIDRs, which has none. */
  assign(name: string, podCidrs: readonly string[]): Promise<void>;
  annotate(name: string, annotations: Readonly<Record<string, string | null>>): Promise<void>;
  annotations(name: string): Promise<Readonly<Record<string, string>>>;
  heartbeat(name: string): Promise<void>;
  deleteNode(name: string): Promise<void>;
  condition(name: string): Promise<{ readonly status: string; readonly message?: string } | undefined>;
  /** Sets the keys of a node's taints, which keep pods off it. */
  taint(name: string, keys: readonly string[]): Promise<void>;
  taints(name: string): Promise<readonly string[]>;
  /** Events on a node. */
  reports(name: string): Promise<readonly FakeReport[]>;
  /** Makes the server drop the annotation public-ip of each write, as an admission webhook may. */
  dropWrites(isDropped: boolean): Promise<void>;
  putConfig(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Of the nodes of a fixture. */
export const STARTUP_TAINT = 'network.weft/not-ready';

export const FLANNEL_NODE = {
  [`${PREFIX}kube-subnet-manager`]: 'true',
  [`${PREFIX}backend-type`]: 'vxlan',
  [`${PREFIX}backend-data`]: '{"VNI":1,"VtepMAC":"12:34:56:78:9a:bc"}',
  [`${PREFIX}public-ip`]: '198.18.1.2',
};

const ATTRIBUTES: LeaseAttributes = {
  publicIp: '198.18.1.1' as Ipv4,
  backendType: 'vxlan',
  backendData: { VNI: 1, VtepMAC: '9e:66:8a:d4:19:b6' },
};

/** Declares the suite. `open` is called before each test and the result closed after it. */
export function describeAssigningRegistry(name: string, open: () => Promise<AssigningFixture>): void {
  describe(`AssigningRegistry: ${name}`, () => {
    let cluster: AssigningFixture;
    let registry: AssigningRegistry;

    beforeEach(async () => {
      cluster = await open();
      await cluster.addNode('a', ['10.244.1.0/24']);
      registry = cluster.registry('a');
    });
    afterEach(() => cluster.close());

    const ownEntry = async (): Promise<RegistryEntry> => {
      const { entries } = await registry.snapshot();
      return entries.find(({ key }) => key === 'a')!;
    };

    it('shows its own node before anything is published, with the subnets that it is assigned', async () => {
      const { subnets } = registry.assignmentOf(await ownEntry());
      assert.deepEqual(subnets, { ipv4: '10.244.1.0/24' });
    });

    it('takes both families in any order', async () => {
      await cluster.addNode('dual', ['fd00:10::/64', '10.244.9.0/24']);
      const dual = cluster.registry('dual');
      const entry = (await dual.snapshot()).entries.find(({ key }) => key === 'dual')!;
      assert.deepEqual(dual.assignmentOf(entry).subnets, {
        ipv4: '10.244.9.0/24' as Ipv4Cidr,
        ipv6: 'fd00:10::/64' as Ipv6Cidr,
      });
    });

    it('says why a node without pod CIDR has no subnets', async () => {
      await cluster.addNode('bare');
      const bare = cluster.registry('bare');
      const entry = (await bare.snapshot()).entries.find(({ key }) => key === 'bare')!;
      const { subnets } = bare.assignmentOf(entry);
      assert.match(typeof subnets === 'string' ? subnets : '', /no spec\.podCIDR/);
    });

    it('publishes attributes as the annotations of flannel, and nothing twice', async () => {
      const before = await ownEntry();
      assert.equal(registry.assignmentOf(before).isPublished(ATTRIBUTES), false);
      await registry.publish(before, ATTRIBUTES);
      const annotations = await cluster.annotations('a');
      assert.equal(annotations[`${PREFIX}public-ip`], '198.18.1.1');
      assert.equal(annotations[`${PREFIX}backend-type`], 'vxlan');
      assert.equal(annotations[`${PREFIX}backend-data`], '{"VNI":1,"VtepMAC":"9e:66:8a:d4:19:b6"}');
      assert.equal(annotations[`${PREFIX}kube-subnet-manager`], 'true');
      assert.equal(annotations[`${PREFIX}backend-v6-data`], undefined);
      assert.equal(registry.assignmentOf(await ownEntry()).isPublished(ATTRIBUTES), true);
    });

    it('publishes the address that an operator set in its place', async () => {
      await cluster.annotate('a', { [`${PREFIX}public-ip-overwrite`]: '203.0.113.7' });
      await registry.publish(await ownEntry(), ATTRIBUTES);
      assert.equal((await cluster.annotations('a'))[`${PREFIX}public-ip`], '203.0.113.7');
    });

    it('says so if what it publishes is dropped, and publishes once it is not', async () => {
      await cluster.dropWrites(true);
      await assert.rejects(registry.publish(await ownEntry(), ATTRIBUTES), {
        code: 'REGISTRY_UNAVAILABLE',
        message:
          /accepts the annotation flannel\.alpha\.coreos\.com\/public-ip and does not keep it: an admission/,
      });
      await cluster.dropWrites(false);
      await registry.publish(await ownEntry(), ATTRIBUTES);
      assert.equal((await cluster.annotations('a'))[`${PREFIX}public-ip`], '198.18.1.1');
    });

    it('does not publish in a node that was made again', async () => {
      const old = await ownEntry();
      await cluster.deleteNode('a');
      await cluster.addNode('a', ['10.244.77.0/24']);
      await assert.rejects(registry.publish(old, ATTRIBUTES), { code: 'REGISTRY_REJECTED' });
      assert.equal((await cluster.annotations('a'))[`${PREFIX}public-ip`], undefined);
    });

    it('reads a node of flannel as a lease, and ignores nodes without an overlay', async () => {
      await cluster.addNode('f', ['10.244.2.0/24']);
      await cluster.addNode('other', ['10.244.3.0/24']);
      await cluster.annotate('f', FLANNEL_NODE);
      const { entries } = await registry.snapshot();
      assert.deepEqual(entries.map(({ key }) => key).sort(), ['a', 'f']);
      const decoded = decodeNodeEntry(entries.find(({ key }) => key === 'f')!);
      assert.deepEqual(decoded, {
        ok: true,
        lease: {
          key: 'f',
          subnets: { ipv4: '10.244.2.0/24' },
          attributes: {
            publicIp: '198.18.1.2',
            backendType: 'vxlan',
            backendData: { VNI: 1, VtepMAC: '12:34:56:78:9a:bc' },
          },
          isReservation: false,
        },
      });
    });

    it('reports nodes that come, change and go, with pod CIDRs that only their spec has', async () => {
      const watch = recordWatch(registry, revisionAfter((await registry.snapshot()).revision));
      await watch.ready;
      await cluster.addNode('f', ['10.244.2.0/24']);
      await cluster.annotate('f', FLANNEL_NODE);
      await watch.seen(1);
      await cluster.annotate('f', { [`${PREFIX}public-ip`]: '198.18.1.9' });
      await watch.seen(2);
      await cluster.deleteNode('f');
      await watch.seen(3);
      const [first, second, third] = watch.events;
      assert.equal(first?.type, 'put');
      assert.match((first as { entry: RegistryEntry }).entry.value, /10\.244\.2\.0\/24/);
      assert.match((second as { entry: RegistryEntry }).entry.value, /198\.18\.1\.9/);
      assert.deepEqual(third, { type: 'delete', key: 'f' });
      await watch.stop();
    });

    it('reports its own pod CIDR when it is assigned late', async () => {
      await cluster.addNode('late');
      const late = cluster.registry('late');
      const watch = recordWatch(late, revisionAfter((await late.snapshot()).revision));
      await watch.ready;
      await cluster.assign('late', ['10.244.8.0/24']);
      await watch.seen(1);
      const event = watch.events[0] as { entry: RegistryEntry };
      assert.deepEqual(late.assignmentOf(event.entry).subnets, { ipv4: '10.244.8.0/24' });
      await watch.stop();
    });

    it('passes no heartbeat on', async () => {
      const watch = recordWatch(registry, revisionAfter((await registry.snapshot()).revision));
      await watch.ready;
      await cluster.heartbeat('a');
      await cluster.heartbeat('a');
      await cluster.annotate('a', { [`${PREFIX}public-ip-overwrite`]: '203.0.113.9' });
      await watch.seen(1);
      assert.equal(watch.events.length, 1);
      assert.match((watch.events[0] as { entry: RegistryEntry }).entry.value, /203\.0\.113\.9/);
      await watch.stop();
    });

    it('reads the network config from its file and reports changes of it', async () => {
      await cluster.putConfig('{"Network":"10.244.0.0/16"}');
      const snapshot = await registry.snapshot();
      assert.equal(snapshot.config?.text, '{"Network":"10.244.0.0/16"}');
      const texts: (string | undefined)[] = [];
      const end = registry.followConfig!((config) => void texts.push(config?.text));
      await cluster.putConfig('{"Network":"10.244.0.0/15"}');
      await waitFor('the change to be reported', () => texts.length > 0);
      end();
      assert.deepEqual(texts, ['{"Network":"10.244.0.0/15"}']);
    });

    it('clears the condition NetworkUnavailable', async () => {
      await registry.setReady(true, '10.244.1.0/24, 3 peers programmed');
      const condition = await cluster.condition('a');
      assert.equal(condition?.status, 'False');
      assert.equal(condition.message, '10.244.1.0/24, 3 peers programmed');
    });

    it('does not clear the condition of a node that was made again', async () => {
      await ownEntry();
      await cluster.deleteNode('a');
      await cluster.addNode('a', ['10.244.77.0/24']);
      await assert.rejects(registry.setReady(true, 'works'), { code: 'REGISTRY_REJECTED' });
      assert.notEqual((await cluster.condition('a'))?.status, 'False');
      await ownEntry();
      await registry.setReady(true, 'works');
      assert.equal((await cluster.condition('a'))?.status, 'False');
    });

    it('removes the start-up taint, and no other, when it is ready', async () => {
      await cluster.taint('a', [STARTUP_TAINT, 'example.com/gpu']);
      await registry.setReady(true, 'works');
      assert.deepEqual(await cluster.taints('a'), ['example.com/gpu']);
      await registry.setReady(true, 'works');
      assert.deepEqual(await cluster.taints('a'), ['example.com/gpu']);
    });

    it('reports Events on its own node', async () => {
      const { uid } = registry.assignmentOf(await ownEntry());
      const message = 'x'.repeat(2000);
      await registry.report({ isWarning: true, reason: 'SubnetOverlap', message });
      await registry.report({ isWarning: false, reason: 'SubnetChanged', message: 'another' });
      const reports = await cluster.reports('a');
      const plain = reports.map(({ involvedObject, message: text, reason, type }) => [
        involvedObject.uid,
        type,
        reason,
        text.length,
      ]);
      assert.deepEqual(
        plain.sort((a, b) => String(a[1]).localeCompare(String(b[1]))),
        [
          [uid, 'Normal', 'SubnetChanged', 7],
          [uid, 'Warning', 'SubnetOverlap', 1024],
        ],
      );
    });
  });
}

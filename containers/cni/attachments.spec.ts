// The store of attachments over a folder: which file each attachment has, and whose files a network sees.
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as attachments from './attachments.ts';
import type { DelegateConfig } from './delegate-config.ts';
import { perform } from './local-host.ts';
import type { AttachmentId } from './network.ts';

/** The store of this host. */
class AttachmentStore {
  readonly #store: attachments.AttachmentStore;
  constructor(folder: string) {
    this.#store = new attachments.AttachmentStore(folder);
  }
  find = (id: AttachmentId, network: string) => perform(this.#store.find(id, network));
  save = (id: AttachmentId, config: DelegateConfig) => perform(this.#store.save(id, config));
  remove = (id: AttachmentId, network: string) => perform(this.#store.remove(id, network));
  list = (network: string) => perform(this.#store.list(network));
}

const config = (name: string, mtu = 1450): DelegateConfig => ({
  cniVersion: '1.0.0',
  name,
  type: 'bridge',
  mtu,
  ipam: { type: 'host-local' },
});
const id = (containerId: string, ifname = 'eth0') => ({ containerId, ifname });

describe('AttachmentStore', () => {
  let folder: string;
  let store: AttachmentStore;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-attachments-'));
    store = new AttachmentStore(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const files = (): string[] => readdirSync(folder).toSorted();

  it('has a file for each interface, under flannel’s name for eth0', () => {
    store.save(id('a'), config('net', 1));
    store.save(id('a', 'net1'), config('net', 2));
    store.save(id('b'), config('net', 3));
    assert.deepEqual(files(), ['a', 'a@net1', 'b']);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'a@net1'), 'utf8')), config('net', 2));
    const found = [id('a'), id('a', 'net1'), id('b'), id('b', 'net1')].map((one) => store.find(one, 'net'));
    assert.deepEqual(found, [config('net', 1), config('net', 2), config('net', 3), config('net', 3)]);
    assert.equal(store.find(id('c'), 'net'), undefined);
  });

  it('replaces a file, for root alone, in a folder that it makes', () => {
    const inner = join(folder, 'x/y');
    const other = new AttachmentStore(inner);
    other.save(id('a'), config('net', 1));
    other.save(id('a'), config('net', 2));
    assert.deepEqual(other.find(id('a'), 'net'), config('net', 2));
    assert.deepEqual(readdirSync(inner), ['a']);
    assert.equal(statSync(join(inner, 'a')).mode & 0o777, 0o600);
    assert.equal(statSync(inner).mode & 0o777, 0o700);
  });

  it('takes no file that names a program beyond the folders of plugins', () => {
    put('a', JSON.stringify({ ...config('net'), type: '../../bin/sh' }));
    assert.equal(store.find(id('a'), 'net'), 'unreadable');
  });

  it('replaces folders in place of the file and of the temporary file', () => {
    mkdirSync(join(folder, 'a/inner'), { recursive: true });
    mkdirSync(join(folder, '.a.weft/inner'), { recursive: true });
    assert.equal(store.find(id('a'), 'net'), 'unreadable');
    store.save(id('a'), config('net'));
    assert.deepEqual(files(), ['a']);
    assert.deepEqual(store.find(id('a'), 'net'), config('net'));
  });

  const DAMAGED: readonly (readonly [what: string, text: string])[] = [
    ['nothing', ''],
    ['no JSON', '{"name":"net"'],
    ['a list', '[]'],
    ['null', 'null'],
    ['no type', '{"name":"net","ipam":{}}'],
    ['a type that is no text', '{"name":"net","type":1,"ipam":{}}'],
    ['no ipam', '{"name":"net","type":"bridge"}'],
  ];
  for (const [what, text] of DAMAGED)
    it(`finds ${what} unreadable`, () => {
      put('a', text);
      assert.equal(store.find(id('a'), 'net'), 'unreadable');
      assert.deepEqual(store.list('net'), [{ ...id('a'), config: 'unreadable' }]);
      // Another interface has no part in it.
      assert.equal(store.find(id('a', 'net1'), 'net'), undefined);
    });

  it('finds a further interface in flannel’s file of the same network alone', () => {
    store.save(id('a'), config('net'));
    assert.deepEqual(store.find(id('a', 'net1'), 'net'), config('net'));
    assert.equal(store.find(id('a', 'net1'), 'other'), undefined);
    // eth0 has the file by its name, whatever network is in it.
    assert.deepEqual(store.find(id('a'), 'other'), config('net'));
  });

  /** Files before, the attachment that is removed, its network, and files afterwards. */
  const REMOVALS: readonly (readonly [
    before: readonly string[],
    ReturnType<typeof id>,
    string,
    readonly string[],
  ])[] = [
    [['a', 'a@net1', 'b'], id('a'), 'net', ['a@net1', 'b']],
    [['a', 'a@net1', 'b'], id('a', 'net1'), 'net', ['a', 'b']],
    [['a', 'b'], id('a', 'net1'), 'net', ['b']],
    [['a', 'b'], id('a', 'net1'), 'other', ['a', 'b']],
    [['a', 'b'], id('a'), 'other', ['b']],
    [['b'], id('a'), 'net', ['b']],
    [['b'], id('a', 'net1'), 'net', ['b']],
  ];
  for (const [before, removed, network, after] of REMOVALS)
    it(`removes ${removed.ifname} of ${removed.containerId} in ${network} from ${before.join(' ')}`, () => {
      for (const name of before) put(name, JSON.stringify(config('net')));
      store.remove(removed, network);
      assert.deepEqual(files(), after);
    });

  it('removes a folder in place of a file, with all that is in it', () => {
    mkdirSync(join(folder, 'a/inner'), { recursive: true });
    store.remove(id('a'), 'net');
    assert.deepEqual(files(), []);
  });

  it('lists the attachments of one network, and damaged ones that name no other', () => {
    put('a', JSON.stringify(config('net', 1)));
    put('a@net1', JSON.stringify(config('net', 2)));
    put('b', JSON.stringify(config('other', 3)));
    put('c', '');
    put('d', '{"name":"other","type"');
    put('e@net2', '{"type":"x","name" : "net"');
    put('f', '{"name":"other", {"name":"net"');
    put('.g.weft', JSON.stringify(config('net', 4)));
    mkdirSync(join(folder, 'h'));
    assert.deepEqual(
      store
        .list('net')
        .toSorted((one, other) => (one.containerId + one.ifname < other.containerId + other.ifname ? -1 : 1)),
      [
        { ...id('a'), config: config('net', 1) },
        { ...id('a', 'net1'), config: config('net', 2) },
        { ...id('c'), config: 'unreadable' },
        { ...id('e', 'net2'), config: 'unreadable' },
        { ...id('f'), config: 'unreadable' },
        { ...id('h'), config: 'unreadable' },
      ],
    );
  });

  it('is empty without its folder, and where a file has its name', () => {
    put('file', '');
    for (const path of [join(folder, 'none'), join(folder, 'file')]) {
      const other = new AttachmentStore(path);
      assert.deepEqual(other.list('net'), []);
      assert.equal(other.find(id('a'), 'net'), undefined);
      other.remove(id('a'), 'net');
    }
    assert.ok(existsSync(join(folder, 'file')));
  });

  it('reports a folder that cannot be listed', () => {
    const loop = new AttachmentStore(join(folder, 'x'.repeat(300)));
    assert.throws(() => loop.list('net'), { code: 'ENAMETOOLONG' });
  });
});

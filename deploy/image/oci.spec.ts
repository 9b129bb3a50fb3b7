import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ImageLayout, type Descriptor } from './oci.ts';

const CREATED = 1_796_000_000;

describe('the image layout', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-image-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A tree whose files are made in this order, at that time. */
  function makeTree(name: string, names: readonly string[], timeSec: number): string {
    const tree = join(folder, name);
    mkdirSync(join(tree, 'usr/bin'), { recursive: true });
    for (const file of names) {
      writeFileSync(join(tree, 'usr/bin', file), `content of ${file}`, { mode: 0o755 });
      utimesSync(join(tree, 'usr/bin', file), timeSec, timeSec);
    }
    symlinkSync('usr/bin', join(tree, 'bin'));
    return tree;
  }
  function build(name: string, tree: string): { readonly digest: string; readonly archive: Buffer } {
    const layout = new ImageLayout(join(folder, `layout-${name}`));
    const layers = [layout.addLayer(tree, CREATED)];
    const images = ['amd64', 'arm64'].map((architecture) =>
      layout.addImage({ architecture, layers, createdSec: CREATED, labels: { a: 'b' } }),
    );
    const digest = layout.addIndex(images, 'docker.io/library/weft:1.2.3');
    const file = join(folder, `${name}.tar`);
    layout.archive(file, CREATED);
    return { digest, archive: readFileSync(file) };
  }
  const blob = (name: string, { digest }: Descriptor): unknown =>
    JSON.parse(readFileSync(join(folder, `layout-${name}`, 'blobs', digest.replace(':', '/')), 'utf8'));

  it('is the same, byte for byte, whenever and in whichever order files were made', () => {
    const one = build('one', makeTree('one', ['a', 'b'], 1));
    const two = build('two', makeTree('two', ['b', 'a'], 1_000_000));
    assert.equal(one.digest, two.digest);
    assert.ok(one.archive.equals(two.archive));
  });

  it('differs with the content of a file', () => {
    const one = build('one', makeTree('one', ['a'], 1));
    assert.notEqual(one.digest, build('two', makeTree('two', ['b'], 1)).digest);
  });

  it('leads from the name to layers by digests, sizes and platforms', () => {
    build('one', makeTree('one', ['a'], 1));
    const root = JSON.parse(readFileSync(join(folder, 'layout-one/index.json'), 'utf8')) as {
      manifests: Descriptor[];
    };
    assert.equal(
      root.manifests[0]?.annotations?.['io.containerd.image.name'],
      'docker.io/library/weft:1.2.3',
    );
    const { manifests } = blob('one', root.manifests[0]) as { manifests: readonly Descriptor[] };
    assert.deepEqual(
      manifests.map(({ platform }) => platform),
      ['amd64', 'arm64'].map((architecture) => ({ architecture, os: 'linux' })),
    );
    const manifest = blob('one', manifests[0]!) as { config: Descriptor; layers: Descriptor[] };
    const config = blob('one', manifest.config) as { architecture: string; rootfs: { diff_ids: string[] } };
    assert.equal(config.architecture, 'amd64');
    const [layer] = manifest.layers;
    const bytes = readFileSync(join(folder, 'layout-one/blobs', layer!.digest.replace(':', '/')));
    const digestOf = (content: Buffer): string =>
      `sha256:${createHash('sha256').update(content).digest('hex')}`;
    assert.deepEqual([layer!.digest, layer!.size], [digestOf(bytes), bytes.length]);
    assert.deepEqual(config.rootfs.diff_ids, [digestOf(gunzipSync(bytes))]);
  });
});

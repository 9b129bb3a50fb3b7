// Packs trees as an image of the OCI image format 1.1: blobs named by their digests, and one
// archive for all architectures. Equal trees give equal archives: names are sorted, and owners and
// times are fixed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** Refers to a blob. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: 'linux' };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A layer: its blob, and the digest before compression, which the config names. */
export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

export interface ImageOptions {
  /** As Debian names it, for example `arm64`. */
  readonly architecture: string;
  readonly layers: readonly Layer[];
  /** Seconds since 1970. */
  readonly createdSec: number;
  readonly labels: Readonly<Record<string, string>>;
}

const TYPE = 'application/vnd.oci.image';
/** A tree of the image has some 150 MB. */
const MAX_TAR_BYTES = 1 << 30;

/** Writes the blobs of an image into a folder. */
export class ImageLayout {
  readonly #folder: string;

  /** @param folder - removed first. */
  constructor(folder: string) {
    this.#folder = folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  }

  addLayer(tree: string, createdSec: number): Layer {
    const bytes = tarOf(tree, createdSec);
    const mediaType = `${TYPE}.layer.v1.tar+gzip`;
    return { descriptor: this.#put(mediaType, gzipSync(bytes)), diffId: digestOf(bytes) };
  }

  addImage({ architecture, createdSec, labels, layers }: ImageOptions): Descriptor {
    const created = new Date(createdSec * 1000).toISOString();
    const config = this.#putJson(`${TYPE}.config.v1+json`, {
      created,
      architecture,
      os: 'linux',
      config: {
        Entrypoint: ['/usr/bin/weft'],
        Cmd: ['daemon'],
        Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
        Labels: labels,
      },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(() => ({ created, created_by: 'make image' })),
    });
    const manifest = this.#putJson(`${TYPE}.manifest.v1+json`, {
      schemaVersion: 2,
      mediaType: `${TYPE}.manifest.v1+json`,
      config,
      layers: layers.map(({ descriptor }) => descriptor),
      annotations: labels,
    });
    return { ...manifest, platform: { architecture, os: 'linux' } };
  }

  /**
   * Completes the layout.
   * @param name - for example `docker.io/library/weft:0.1.0`, which engines import it as.
   * @returns the digest of the index, which names the image whatever the architecture.
   */
  addIndex(images: readonly Descriptor[], name: string): string {
    const mediaType = `${TYPE}.index.v1+json`;
    const index = this.#putJson(mediaType, { schemaVersion: 2, mediaType, manifests: images });
    const annotations = {
      'io.containerd.image.name': name,
      'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
    };
    const root = { schemaVersion: 2, mediaType, manifests: [{ ...index, annotations }] };
    writeFileSync(join(this.#folder, 'index.json'), JSON.stringify(root));
    return index.digest;
  }

  /** Writes the layout as one file. */
  archive(file: string, createdSec: number): void {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, tarOf(this.#folder, createdSec));
  }

  #putJson(mediaType: string, value: object): Descriptor {
    return this.#put(mediaType, Buffer.from(JSON.stringify(value)));
  }

  #put(mediaType: string, bytes: Buffer): Descriptor {
    const digest = digestOf(bytes);
    writeFileSync(join(this.#folder, 'blobs', digest.replace(':', '/')), bytes);
    return { mediaType, digest, size: bytes.length };
  }
}

/** GNU tar, as files of a tree have modes and links; without times that depend on the run. */
function tarOf(tree: string, createdSec: number): Buffer {
  const args = [
    '--sort=name',
    '--format=posix',
    '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
    `--mtime=@${createdSec}`,
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-C',
    tree,
    '-c',
    // Without the folder itself, whose mode engines would give to `/`.
    ...readdirSync(tree).toSorted(),
  ];
  const env = { ...process.env, LC_ALL: 'C', TAR_OPTIONS: '' };
  const { error, status, stderr, stdout } = spawnSync('tar', args, { env, maxBuffer: MAX_TAR_BYTES });
  if (status !== 0) throw new Error(`Cannot pack ${tree}: ${error?.message ?? stderr.toString()}`);
  return stdout;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

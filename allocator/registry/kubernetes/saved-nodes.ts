// Text of the file in which a daemon keeps the nodes that it knew last, for a start while no API
// server answers. Pure. The file is input like any other: bounded, checked, and a bad entry costs
// itself alone.
import { NO_LEASE, toRevision } from '../registry.ts';
import type { RegistryEntry, Revision } from '../registry.ts';
import { decodeNodeEntry, parsePodCidrs, readOwnEntry } from './node-lease.ts';

/** Whose nodes they are: those of another node or another annotation prefix mean nothing here. */
export interface SavedNodesOwner {
  readonly nodeName: string;
  readonly prefix: string;
}

export interface SavedNodes {
  readonly revision: Revision;
  /** ISO 8601, when an API server said so. */
  readonly savedAt: string;
  readonly entries: readonly RegistryEntry[];
}

interface SavedEntry {
  readonly key?: unknown;
  readonly value?: unknown;
  readonly modRevision?: unknown;
}

/** Goes up when an earlier daemon would misunderstand the file. */
const VERSION = 1;
/** Kubernetes supports 5,000 nodes. */
const MAX_ENTRIES = 20_000;
/** Bound of one entry, in UTF-16 units; see the bound of annotations. */
const MAX_VALUE_CHARACTERS = 131_072;
/** Names of nodes are DNS subdomains. */
const MAX_KEY_CHARACTERS = 253;

export function formatSavedNodes(
  { nodeName, prefix }: SavedNodesOwner,
  { entries, revision, savedAt }: SavedNodes,
): string {
  const saved = entries.map(({ key, modRevision, value }) => ({ key, modRevision, value }));
  return `${JSON.stringify({ version: VERSION, nodeName, prefix, savedAt, revision, entries: saved })}\n`;
}

/** What the text says, without entries that are not as weft writes them; or why it is not usable. */
export function parseSavedNodes(text: string, owner: SavedNodesOwner): SavedNodes | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const { entries, nodeName, prefix, revision, savedAt, version } = (value ?? {}) as Record<string, unknown>;
  if (version !== VERSION) return `its version is ${JSON.stringify(version)}, not ${VERSION}`;
  if (nodeName !== owner.nodeName || prefix !== owner.prefix)
    return `it is of node ${JSON.stringify(nodeName)} with prefix ${JSON.stringify(prefix)}`;
  if (typeof savedAt !== 'string' || Number.isNaN(Date.parse(savedAt))) return 'it names no time';
  if (!isRevision(revision)) return 'it names no revision';
  if (!Array.isArray(entries)) return 'it has no entries';
  if (entries.length > MAX_ENTRIES) return `it has ${entries.length} entries, more than ${MAX_ENTRIES}`;
  const usable = (entries as SavedEntry[]).flatMap((entry) => entryOf(entry, owner.nodeName));
  return { revision: toRevision(revision), savedAt: new Date(savedAt).toISOString(), entries: usable };
}

function entryOf(saved: SavedEntry | null, nodeName: string): readonly RegistryEntry[] {
  const { key, modRevision, value } = saved ?? {};
  if (typeof key !== 'string' || key === '' || key.length > MAX_KEY_CHARACTERS) return [];
  if (typeof value !== 'string' || value.length > MAX_VALUE_CHARACTERS || !isRevision(modRevision)) return [];
  const entry = { key, value, leaseId: NO_LEASE, modRevision: toRevision(modRevision) };
  return isReadable(entry, nodeName) ? [entry] : [];
}

/** Whether the functions that read entries of the API server can read this one. */
function isReadable(entry: RegistryEntry, nodeName: string): boolean {
  try {
    decodeNodeEntry(entry);
    if (entry.key !== nodeName) return true;
    const { annotations, podCidrs = [], uid } = readOwnEntry(entry);
    parsePodCidrs(podCidrs);
    return typeof uid === 'string' && Object.values(annotations).every((text) => typeof text === 'string');
  } catch {
    return false;
  }
}

function isRevision(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

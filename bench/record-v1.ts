// Records of version 1, which differ from version 2 in member names only. Pure.

/** Old name → new name, wherever it occurs. `details` keep theirs. */
const RENAMED: Readonly<Record<string, string>> = {
  parts: 'benchmarks',
  part: 'benchmark',
  falsifiedBy: 'invalidatedBy',
  isRival: 'isCompetitor',
  promise: 'threshold',
};

/** A record of version 1 as one of version 2; any other value as it is. */
export function upgradeRecord(value: unknown): unknown {
  const isVersion1 = isObject(value) && value['version'] === 1 && Array.isArray(value['parts']);
  return isVersion1 ? { ...(rename(value) as object), version: 2 } : value;
}

function rename(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rename);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      RENAMED[name] ?? name,
      name === 'details' || name === 'conditions' ? member : rename(member),
    ]),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

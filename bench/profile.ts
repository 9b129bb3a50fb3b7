// Reads what V8's sampling profiler kept (`node --cpu-prof`): the time of each function itself, without what it called. Pure.

/** What is used here of V8's format: a sample is the node that ran, a delta the µs since the sample before. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** The `count` functions with most time of their own, a line each: share in percent, ms, name, place. */
export function formatProfile(text: string, count: number): string[] {
  const profile = JSON.parse(text) as Profile;
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [index, sample] of profile.samples.entries()) {
    const name = names.get(sample) ?? '(unknown)';
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0) / 1000);
  }
  const allMs = [...times.values()].reduce((total, ms) => total + ms, 0);
  const most = [...times].toSorted(([, a], [, b]) => b - a).slice(0, count);
  return most.map(
    ([name, ms]) =>
      `${((100 * ms) / allMs).toFixed(1).padStart(5)} % ${ms.toFixed(0).padStart(6)} ms  ${name}`,
  );
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const place = url.replace(/^.*\/(?=node_modules\/)/, '').replace(/^.*\/dist\//, '');
  return `${functionName || '(anonymous)'}${place === '' ? '' : ` ${place}:${lineNumber + 1}`}`;
}

// Stacks of a sampling profiler, parsed from `perf script` and V8 (`node --cpu-prof`), and their sums. Pure.

/** Frames from the outermost to the innermost, and how often or how long it was seen. */
export interface Stack {
  readonly frames: readonly string[];
  readonly weight: number;
}

/** Frames of an idle processor. */
const IDLE =
  /^(default_idle|(pv_)?native_safe_halt|acpi_(safe_halt|idle_)|cpuidle_enter|intel_idle|mwait_idle)/;

/** The stacks of `perf script -F comm,ip,sym`, the program outermost, each weighing 1; without those of idle processors. */
export function parsePerfScript(text: string): Stack[] {
  return text.split('\n\n').flatMap((sample) => {
    const [program, ...lines] = sample.split('\n').filter((line) => line.trim() !== '');
    if (program === undefined || lines.length === 0) return [];
    const frames = lines.map((line) => line.trim().replace(/^[0-9a-f]+ /, '')).toReversed();
    if (frames.some((frame) => IDLE.test(frame))) return [];
    return [{ frames: [program.trim(), ...frames], weight: 1 }];
  });
}

/** What is used here of V8's format: a sample is the node that ran, a delta the µs since the sample before. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** The stacks of a .cpuprofile, weighing ms. */
export function parseCpuProfile(text: string): Stack[] {
  const { nodes, samples, timeDeltas } = JSON.parse(text) as Profile;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const framesOf = (id: number | undefined): string[] => {
    const node = id === undefined ? undefined : byId.get(id);
    return node === undefined ? [] : [...framesOf(parents.get(node.id)), nameOf(node.callFrame)];
  };
  // The outermost frame is the common root.
  return samples.map((sample, index) => ({
    frames: framesOf(sample).slice(1),
    weight: (timeDeltas[index] ?? 0) / 1000,
  }));
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const source = url.replace(/^.*\/(?=node_modules\/)/, '').replace(/^.*\/dist\//, '');
  return `${functionName || '(anonymous)'}${source === '' ? '' : ` ${source}:${lineNumber + 1}`}`;
}

/** The `count` innermost frames with most weight, a line each: share in percent, name. */
export function formatCosts(stacks: readonly Stack[], count: number): string[] {
  const weights = new Map<string, number>();
  for (const { frames, weight } of stacks) {
    const name = frames.at(-1) ?? '(unknown)';
    weights.set(name, (weights.get(name) ?? 0) + weight);
  }
  const all = stacks.reduce((total, { weight }) => total + weight, 0);
  const most = [...weights].toSorted(([, a], [, b]) => b - a).slice(0, count);
  return most.map(([name, weight]) => `${((100 * weight) / all).toFixed(1).padStart(5)} %  ${name}`);
}

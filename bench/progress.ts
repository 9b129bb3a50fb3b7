// Where a benchmark is, for whoever waits: lines on standard error, so that results stay alone on standard output.
export function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

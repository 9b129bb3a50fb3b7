// Progress lines on standard error. Standard output carries the results only.
export function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

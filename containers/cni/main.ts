// weft-cni: reads environment and standard input, writes one result to standard output, exits with
// 0 or 1. Runtimes start it for each container, so it imports little and runs synchronously.
import { readFileSync } from 'node:fs';
import { answer } from './answer.ts';
import { CNI_VERSIONS } from './cni-version.ts';

function main(): void {
  if (process.env['CNI_COMMAND'] === undefined) {
    process.stderr.write(
      `weft-cni, a CNI plugin for container runtimes: it connects containers through bridge with addresses of this host's subnet.\nInstall it with weft cni install. CNI versions: ${CNI_VERSIONS.join(', ')}\n`,
    );
    return;
  }
  const { text, exitCode } = answer(process.env, () => readFileSync(0, 'utf8'));
  process.stdout.write(text);
  process.exitCode = exitCode;
}

main();

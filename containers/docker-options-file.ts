// The file of a Docker engine's options: reads subnet.env, writes the options, looks whether the subnet is this host's.
import { readFileSync, writeFileSync } from 'node:fs';
import { formatDockerOptions, isRoutedElsewhere, type DockerOptionsRequest } from './docker-options.ts';

export interface DockerOptionsFiles {
  /** subnet.env. Without the file there are no options. */
  readonly input: string;
  readonly output: string;
}

/**
 * Writes the options. A wrong subnet.env leaves the output as it was.
 * @returns what is wrong, in one line, or `undefined`.
 */
export function writeDockerOptions(
  files: DockerOptionsFiles,
  request: DockerOptionsRequest,
): string | undefined {
  const options = formatDockerOptions(readIfThere(files.input), process.env, request);
  if (!options.ok) return `${files.input}: ${options.problem}`;
  try {
    writeFileSync(files.output, options.text);
  } catch (error) {
    return `Cannot write ${files.output}: ${(error as Error).message}; name another file with -d`;
  }
  if (isRoutedElsewhere(options.subnet, readIfThere('/proc/net/route')))
    return `The route to ${options.subnet} leads to another host: Docker cannot have this subnet; remove the route, or lease another subnet`;
  return undefined;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

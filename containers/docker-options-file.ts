// Reads subnet.env, writes the file of a Docker engine's options, checks the route to the subnet.
import { readFileSync, writeFileSync } from 'node:fs';
import { formatDockerOptions, isRoutedElsewhere, type DockerOptionsRequest } from './docker-options.ts';

export interface DockerOptionsFiles {
  /** Path of subnet.env. A missing file gives empty options. */
  readonly input: string;
  readonly output: string;
}

/**
 * Writes the options. An invalid subnet.env leaves the output unchanged.
 * @returns the error in one line, or `undefined`.
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
    return `The route to ${options.subnet} leads to another host: Docker cannot use this subnet; remove the route, or lease another subnet`;
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

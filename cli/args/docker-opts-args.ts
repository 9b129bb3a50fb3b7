// Arguments of `weft docker-opts`, parsed as getopts(1) of flannel's script does. Pure.

export interface DockerOptsArgs {
  readonly input: string;
  readonly output: string;
  readonly key: string;
  readonly isIndividual: boolean;
  readonly isCombined: boolean;
  readonly hasIpMasq: boolean;
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/**
 * Options may share a dash, a value may follow its letter, and the first other argument ends the
 * options. `undefined` for usage errors. `subnetFile` is read unless -f names another.
 */
export function parseDockerOptsArgs(argv: readonly string[], subnetFile: string): DockerOptsArgs | undefined {
  const args: Mutable<DockerOptsArgs> = {
    input: subnetFile,
    output: '/run/docker_opts.env',
    key: 'DOCKER_OPTS',
    isIndividual: false,
    isCombined: false,
    hasIpMasq: true,
  };
  for (let index = 0; index < argv.length; index++) {
    const arg = argv[index]!;
    if (arg === '--' || arg === '-' || !arg.startsWith('-')) break;
    for (let at = 1; at < arg.length; at++) {
      const letter = arg[at]!;
      if (letter === 'i') args.isIndividual = true;
      else if (letter === 'c') args.isCombined = true;
      else if (letter === 'm') args.hasIpMasq = false;
      else {
        const value = arg.slice(at + 1) || argv[++index];
        if (value === undefined || !setValue(args, letter, value)) return undefined;
        break;
      }
    }
  }
  if (args.isIndividual || args.isCombined) return args;
  return { ...args, isIndividual: true, isCombined: true };
}

/** Whether the letter is an option with a value, and the value is valid. */
function setValue(args: Mutable<DockerOptsArgs>, letter: string, value: string): boolean {
  if (letter === 'f') args.input = value;
  else if (letter === 'd') args.output = value;
  else if (letter === 'k' && /^[A-Za-z_]\w*$/.test(value)) args.key = value;
  else return false;
  return true;
}

// How this program is started once more: by the same Node, from the same files.

/** Starts the daemon alone, and the program beside it all commands. */
const DAEMON_START = /weft-daemon\.cjs$/;

/** Command line in front of the name of a command. */
export function weftCommand(argv: readonly string[] = process.argv): readonly string[] {
  const [node = process.execPath, file = ''] = argv;
  if (DAEMON_START.test(file)) return [node, file.replace(DAEMON_START, 'weft.mjs')];
  // bin/start.mjs takes the name of the program first, a bundle does not.
  return file.endsWith('.mjs') && !file.endsWith('/start.mjs') ? [node, file] : [node, file, 'weft'];
}

// How this program is started once more: by the same Node, from the same file.

/** Command line in front of the name of a command. */
export function weftCommand(argv: readonly string[] = process.argv): readonly string[] {
  const [node = process.execPath, file = ''] = argv;
  // bin/start.mjs takes the name of the program first, a bundle does not.
  return file.endsWith('.mjs') && !file.endsWith('/start.mjs') ? [node, file] : [node, file, 'weft'];
}

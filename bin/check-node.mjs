// Before all other code, also in bundles: an older Node fails with an error that names no version.
{
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    process.stderr.write(
      `weft needs Node 20.19 or newer, and ${process.execPath} is ${process.version}: set WEFT_NODE to a newer one\n`,
    );
    process.exit(1);
  }
}

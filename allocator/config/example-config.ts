// The smallest usual document, and the command that puts it into the registry, for messages about a
// missing one.
export const EXAMPLE_CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
export const PUT_EXAMPLE_CONFIG = `echo '${EXAMPLE_CONFIG}' | weft config set -`;

// Entry of the scripts in this folder. The first argument is the name of the program.
import './check-node.mjs';

// Not a static import, which an older Node would load before the check.
const { main } = await import('../dist/cli/main.js');
await main(process.argv.slice(2));

// Entry of the scripts in this folder. The first argument is the name of the program.
import { main } from '../dist/cli/main.js';

await main(process.argv.slice(2));

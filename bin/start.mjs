// Where the scripts in this folder enter JavaScript. The first word is the name that the program was started by.
import { main } from '../dist/cli/main.js';

await main(process.argv.slice(2));

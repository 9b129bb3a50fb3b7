// Where the one-file bundle enters JavaScript: `node weft.mjs COMMAND`.
import { main } from './main.ts';

void main(process.argv.slice(1));

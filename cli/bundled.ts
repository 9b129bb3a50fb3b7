// Entry of the one-file bundle: `node weft.mjs COMMAND`.
import { main } from './main.ts';

void main(process.argv.slice(1));

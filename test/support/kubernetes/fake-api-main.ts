// The fake API server as a program, for labs. Usage: node …/fake-api-main.js PORT STATE
// STATE is a file that keeps nodes and revision over a restart by SIGTERM.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { FakeApiServer } from './fake-api-server.ts';

const [port = '', state = ''] = process.argv.slice(2);
const server = await FakeApiServer.start(Number(port), '::');
if (existsSync(state)) server.load(readFileSync(state, 'utf8'));
process.on('SIGTERM', () => {
  writeFileSync(state, server.save());
  process.exit(0);
});

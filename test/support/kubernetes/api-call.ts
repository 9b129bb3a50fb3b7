// One request to an API server, from inside a lab. Usage: node …/api-call.js METHOD URL [TOKEN]
// The body comes on standard input, the answer goes to standard output; exits with 1 unless it is 2xx.
import { text } from 'node:stream/consumers';

const [method = 'GET', url = '', token] = process.argv.slice(2);
const body = method === 'GET' || method === 'DELETE' ? undefined : await text(process.stdin);
const contentType = method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json';
const answer = await fetch(url, {
  method,
  headers: { 'content-type': contentType, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
  ...(body !== undefined && { body }),
});
process.stdout.write(await answer.text());
process.exitCode = answer.ok ? 0 : 1;

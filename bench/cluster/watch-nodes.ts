// A full watch of all nodes, as an informer has: `watch-nodes.js URL TOKEN` prints a line once it watches, and reads.
import { request } from 'node:https';
import { json } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';

const [url = '', token = ''] = process.argv.slice(2);

function get(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'accept-encoding': 'gzip' };
    const outgoing = request(`${url}${path}`, { rejectUnauthorized: false, headers }, resolve);
    outgoing.once('error', reject);
    outgoing.end();
  });
}

const list = (await json(await get('/api/v1/nodes?limit=1'))) as { metadata: { resourceVersion: string } };
const watch = await get(
  `/api/v1/nodes?watch=1&allowWatchBookmarks=true&resourceVersion=${list.metadata.resourceVersion}`,
);
console.log('watching');
watch.resume();

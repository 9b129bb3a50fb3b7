// The page of the daemon in a real browser, with simulated clusters: how it shows hosts and errors, and what the
// browser reports. PAGE_SHOTS=FOLDER keeps pictures of it in light and dark.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import type { ClusterV1 } from '../../api/index.ts';
import type { HttpListener } from '../../daemon/http/http-listener.ts';
import { chromium, clusterOf, servePage } from '../support/page-server.ts';

/** What of the DOM the tests ask. */
interface PageElement {
  readonly textContent: string;
  getAttribute(name: string): string | null;
}
interface PageDocument {
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): ArrayLike<PageElement>;
}

const SHOTS = process.env['PAGE_SHOTS'];
const CASES: readonly { readonly name: string; readonly cluster: ClusterV1 }[] = [
  { name: '3 hosts', cluster: clusterOf(2) },
  { name: '12 hosts, some with errors', cluster: clusterOf(11, { pending: 1, error: 2 }) },
  { name: '1,000 hosts', cluster: clusterOf(999, { pending: 5, error: 9 }) },
  { name: 'one host alone', cluster: clusterOf(0) },
];

describe('the page in a browser', function () {
  this.timeout(120_000);
  let server: HttpListener;
  let cluster: ClusterV1;
  before(async () => {
    server = await servePage(() => cluster);
  });
  after(() => server.stop());

  for (const { name, cluster: shown } of CASES)
    it(`shows ${name}`, async () => {
      cluster = shown;
      const url = `http://127.0.0.1:${server.port}/`;
      const { stdout, stderr } = await chromium(['--virtual-time-budget=1500', '--dump-dom', url]);
      assert.doesNotMatch(stderr, /CONSOLE.*(?:Refused|violates|Error)/i);
      const { document } = parseHTML(stdout) as unknown as { readonly document: PageDocument };
      const text = (selector: string): string => document.querySelector(selector)?.textContent ?? '';
      const count = (selector: string): number => document.querySelectorAll(selector).length;
      const { total, pending, errors } = shown.status.peers;
      assert.equal(text('#health'), shown.status.health);
      assert.equal(count('#map line'), total);
      assert.equal(count('#map a circle'), total);
      assert.equal(count('#map line.error'), errors);
      assert.equal(count('#map line.pending'), pending);
      assert.equal(count('#rows tr'), Math.min(total, 200));
      // Hosts with errors come first, and data of the registry is text and never markup.
      if (errors > 0) assert.match(text('#rows tr:first-child'), /in error<b>its backend/);
      assert.equal(count('#rows b'), 0);
      if (total > 0) assert.ok(text('#summary').startsWith(`${total.toLocaleString('en')} other hosts: `));
      const positions = Array.from(document.querySelectorAll('#map a circle'), (each) =>
        [each.getAttribute('cx'), each.getAttribute('cy')].join(),
      );
      assert.equal(new Set(positions).size, total, 'hosts lie on one another');
    });

  if (SHOTS !== undefined)
    for (const { name, cluster: shown } of CASES)
      for (const scheme of ['light', 'dark'])
        it(`in ${scheme} with ${name}`, async () => {
          cluster = shown;
          const file = join(SHOTS, `${name.replaceAll(/\W+/g, '-')}-${scheme}.png`);
          const dark = scheme === 'dark' ? ['--blink-settings=preferredColorScheme=0'] : [];
          const size = ['--hide-scrollbars', '--window-size=1360,1000', '--virtual-time-budget=1500'];
          await chromium([...dark, ...size, `--screenshot=${file}`, `http://127.0.0.1:${server.port}/`]);
        });
});

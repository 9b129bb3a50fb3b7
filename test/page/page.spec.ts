// The page of the daemon in Chromium, with simulated clusters: what it shows, what the browser reports, what axe-core finds, and
// that a refresh leaves rows, selection and focus alone. PAGE_SHOTS=FOLDER keeps pictures of it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'puppeteer-core';
import type { ClusterV1, DoctorReportV1 } from '../../api/index.ts';
import type { HttpListener } from '../../daemon/http/http-listener.ts';
import { waitFor } from '../../lab/wait.ts';
import {
  activityOf,
  clusterOf,
  historyOf,
  servePage,
  startBrowser,
  type PageData,
} from '../support/page-server.ts';

const SHOTS = process.env['PAGE_SHOTS'];
const REPORT: DoctorReportV1 = {
  at: '2026-11-25T11:58:00.000Z',
  findings: [
    {
      check: 'tunnel-blocked',
      severity: 'error',
      title: 'A firewall drops packets of the tunnel',
      evidence: ['nft: table inet filter, chain input, handle 7: udp dport 8472 drop'],
      impact: 'Containers of 2 hosts do not reach those of this host.',
      fix: 'nft insert rule inet filter input udp dport 8472 accept',
    },
  ],
};
const dataOf = (cluster: ClusterV1, doctor?: DoctorReportV1): PageData => ({
  cluster,
  history: historyOf(),
  activity: activityOf(doctor),
});
const CASES: readonly { readonly name: string; readonly data: PageData }[] = [
  { name: '3 hosts', data: dataOf(clusterOf(2)) },
  { name: '12 hosts, some with errors', data: dataOf(clusterOf(11, { pending: 1, error: 2 }), REPORT) },
  { name: '50 hosts, one broken', data: dataOf(clusterOf(49, { error: 1 })) },
  { name: '1,000 hosts', data: dataOf(clusterOf(999, { pending: 5, error: 9 })) },
  { name: 'one host alone', data: dataOf(clusterOf(0)) },
];
const SIZES = [
  ['desktop', { width: 1360, height: 1000 }],
  ['phone', { width: 390, height: 844 }],
] as const;

describe('the page in a browser', function () {
  this.timeout(150_000);
  let server: HttpListener;
  let browser: Browser;
  let page: Page;
  let data: PageData | undefined;
  let complaints: string[];

  before(async () => {
    server = await servePage(() => data);
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    complaints = [];
    page = await browser.newPage();
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
  });
  afterEach(() => page.close());

  async function open(
    shown: PageData,
    scheme = 'light',
    size: { width: number; height: number } = SIZES[0][1],
  ): Promise<void> {
    data = shown;
    await page.setViewport(size);
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await page.goto(`http://127.0.0.1:${server.port}/`);
    await until(`document.querySelector('#health').textContent === '${shown.cluster.status.health}'`);
    await until(`document.querySelectorAll('#charts canvas').length === 4`);
  }

  const evaluate = async <Answer>(script: string): Promise<Answer> => (await page.evaluate(script)) as Answer;
  const until = (condition: string): Promise<unknown> => page.waitForFunction(condition, { timeout: 60_000 });
  const text = (selector: string): Promise<string> =>
    evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ''`);
  const count = (selector: string): Promise<number> =>
    evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  /** Subnets of the rows in sight. */
  const subnets = (): Promise<string[]> =>
    evaluate(`[...document.querySelectorAll('#rows a')].map((a) => a.textContent)`);
  /** After the page has asked once more. */
  async function refreshed(): Promise<void> {
    const asked = page.waitForResponse((response) => response.url().endsWith('/cluster.json'));
    await asked;
    await page.waitForResponse((response) => response.url().endsWith('/events.json'));
  }

  for (const { name, data: shown } of CASES)
    it(`shows ${name}`, async () => {
      await open(shown);
      const { total, pending, errors } = shown.cluster.status.peers;
      assert.equal(await count('#map line'), total);
      assert.equal(await count('#map a circle'), total);
      assert.equal(await count('#map line.error'), errors);
      assert.equal(await count('#map line.pending'), pending);
      assert.equal(
        await evaluate(
          `document.querySelector('table').ariaRowCount ?? document.querySelector('table').getAttribute('aria-rowcount')`,
        ),
        String(total + 1),
      );
      // Hosts with errors come first, and data of the registry is text and never markup.
      if (errors > 0) assert.match(await text('#rows tr:not([aria-hidden])'), /in error<b>its backend/);
      assert.equal(await count('#rows b, #events b'), 0);
      if (total > 0)
        assert.ok((await text('#summary')).startsWith(`${total.toLocaleString('en')} other hosts: `));
      const places = await evaluate<string[]>(
        `[...document.querySelectorAll('#map a circle')].map((each) => each.getAttribute('cx') + ',' + each.getAttribute('cy'))`,
      );
      assert.equal(new Set(places).size, total, 'hosts lie on one another');
      assert.match(await text('#events'), /A peer does not answer/);
      assert.deepEqual(complaints, []);
    });

  it('has a row for each of 1,000 hosts, of which only those in sight exist', async () => {
    await open(CASES[3]!.data);
    assert.ok((await count('#rows tr')) < 80);
    await evaluate(`document.querySelector('#scroll').scrollTop = 1e6`);
    await until(`document.querySelector('#rows [aria-rowindex="1000"]') !== null`);
    const last = await evaluate(
      `document.querySelector('#rows [aria-rowindex="1000"]').getBoundingClientRect().bottom <= document.querySelector('#scroll').getBoundingClientRect().bottom + 1`,
    );
    assert.equal(last, true);
  });

  it('keeps the row, the selected text and the focus over a refresh', async () => {
    await open(CASES[3]!.data);
    await evaluate(`window.row = document.querySelectorAll('#rows tr:not([aria-hidden])')[3]; window.row.querySelector('a').focus();
      getSelection().selectAllChildren(window.row.querySelector('.name a'))`);
    const before = await evaluate<string>(`getSelection().toString()`);
    assert.match(before, /^10\./);
    data = dataOf({ ...data!.cluster, status: { ...data!.cluster.status, at: '2026-11-25T12:00:05.000Z' } });
    await refreshed();
    await refreshed();
    assert.deepEqual(
      await evaluate(
        `[window.row.isConnected, document.activeElement === window.row.querySelector('a'), getSelection().toString()]`,
      ),
      [true, true, before],
    );
  });

  it('sorts by number, and selects a host by a click', async () => {
    await open(CASES[2]!.data);
    await page.click('th.name button');
    assert.deepEqual((await subnets()).slice(0, 3), ['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24']);
    await page.click('th.name button');
    assert.equal((await subnets())[0], '10.5.49.0/24');
    assert.equal(await evaluate(`document.querySelector('th.name').getAttribute('aria-sort')`), 'descending');
    await page.click('#rows td.address');
    await until(`document.querySelector('#rows tr.is-chosen') !== null`);
    assert.equal(await text('#details-title'), '10.5.49.0/24');
    assert.equal(await count('#map a.is-chosen'), 1);
  });

  it('finds hosts by address, and those with problems', async () => {
    await open(CASES[3]!.data);
    await page.type('#search', '198.18.2.7');
    assert.match(await text('#found'), /^\d+ of 999 peers$/);
    await evaluate(`document.querySelector('#search').value = ''`);
    await page.click('#bad-only');
    assert.equal(await text('#found'), '14 of 999 peers');
  });

  it('has what weft doctor found, with the fix', async () => {
    await open(CASES[1]!.data);
    assert.match(await text('#findings'), /A firewall drops.*handle 7.*Impact: .*nft insert rule/s);
  });

  it('has the traffic of each peer, and says where there is none', async () => {
    const { cluster } = CASES[0]!.data;
    await open(dataOf(cluster));
    assert.equal(await evaluate(`document.querySelector('#no-traffic').hidden`), false);
    const withTraffic = (sec: number): PageData =>
      dataOf({
        status: { ...cluster.status, at: new Date(Date.parse(cluster.status.at) + sec * 1000).toISOString() },
        peers: cluster.peers.map((peer) => ({
          ...peer,
          traffic: { txPackets: 0, rxPackets: 0, txBytes: 1e6 * sec, rxBytes: 2e6 * sec },
        })),
      });
    data = withTraffic(2);
    await refreshed();
    data = withTraffic(4);
    await until(`document.querySelector('#rows .traffic').textContent === '↑ 8 Mbit/s ↓ 16 Mbit/s'`);
    assert.equal(await evaluate(`document.querySelector('#no-traffic').hidden`), true);
  });

  it('dims what is old while the daemon does not answer, and recovers', async () => {
    await open(CASES[0]!.data);
    data = undefined;
    await until(`document.body.classList.contains('is-stale')`);
    assert.match(await text('#stale'), /does not answer \(status 503\)\. This is its state of \d+ s ago/);
    assert.equal(await text('#health'), 'no answer');
    data = CASES[0]!.data;
    await until(
      `!document.body.classList.contains('is-stale') && document.querySelector('#health').textContent === 'ok'`,
    );
  });

  for (const { name, data: shown } of CASES)
    for (const scheme of ['light', 'dark'])
      for (const [device, size] of SIZES)
        it(`has no faults for axe-core with ${name} in ${scheme} on a ${device}`, async () => {
          await open(shown, scheme, size);
          if (SHOTS !== undefined) {
            const file = `${name.replaceAll(/\W+/g, '-')}-${scheme}-${device}.png` as const;
            await page.screenshot({ path: join(SHOTS, file), fullPage: true });
          }
          await evaluate(axe.source);
          const { violations } = await evaluate<{
            violations: readonly { id: string; nodes: readonly { html: string; failureSummary: string }[] }[];
          }>('axe.run()');
          const found = violations.map(
            ({ id, nodes }) => `${id}: ${nodes[0]!.html} ${nodes[0]!.failureSummary}`,
          );
          assert.deepEqual(found, []);
          const width = await evaluate<number>('document.documentElement.scrollWidth');
          assert.ok(width <= size.width, `the page is ${width} px wide`);
        });

  it('asks for nothing while it is hidden behind another', async () => {
    await open(CASES[0]!.data);
    await evaluate(`Object.defineProperty(document, 'hidden', { get: () => true })`);
    let asked = 0;
    page.on('request', () => asked++);
    // Two polls.
    const until_ = Date.now() + 5000;
    await waitFor('two polls', () => Promise.resolve(Date.now() > until_), 10_000);
    assert.ok(asked <= 1, `${asked} requests`);
  });
});

import assert from 'node:assert/strict';
import type { EndpointAnswerV1 } from '../../api/index.ts';
import type { Cidr, IpAddress } from '../../lib/address.ts';
import { planCells, type CellV1, type PlanInput, type PlannedCell } from './cells.ts';
import { locate, toCell, withoutFiltered } from './evaluate.ts';

const ENDPOINT: EndpointAnswerV1 = {
  kind: 'endpoint',
  token: 'abcd',
  host: [
    { address: '10.5.2.0', tcp: 1, udp: 2, layer: 'overlay' },
    { address: '198.18.0.2', tcp: 3, udp: 4, layer: 'underlay' },
  ],
  container: [{ address: '10.5.2.254', tcp: 5, udp: 6 }],
  missing: [],
};
const INPUT: PlanInput = {
  families: [4],
  mtu: 1450,
  container: [4],
  endpoint: ENDPOINT,
  overlay: { 4: '10.5.2.0' as IpAddress },
  isMasquerading: true,
};
const RULES = { networks: ['10.5.0.0/16' as Cidr], container: ['10.5.1.254'] };
const NAMES = { own: 'h1', peer: 'h2' };

/** Cells of a run in which tests fail where `fails` says so. */
function run(fails: (cell: PlannedCell) => boolean, input: PlanInput = INPUT): readonly CellV1[] {
  const cells = planCells(input).map((planned) => {
    const seen = planned.from === 'container' && planned.to === 'outside' ? '198.18.0.1' : '10.5.1.254';
    return toCell(planned, fails(planned) ? { ok: false, reason: 'no answer' } : { ok: true, seen }, RULES);
  });
  return withoutFiltered(cells);
}

const failedRoutes = (cells: readonly CellV1[]): string[] => [
  ...new Set(cells.filter(({ state }) => state === 'failed').map(({ from, to }) => `${from} ${to}`)),
];

describe('the matrix of weft connectivity', () => {
  it('has each route with each test, and TCP alone outside of the overlay', () => {
    const cells = run(() => false);
    assert.equal(cells.length, 4 * 5 + 2);
    assert.ok(cells.every(({ state }) => state === 'ok'));
    assert.deepEqual(locate(cells, NAMES, 1450), []);
  });

  it('tests the own addresses of a peer that cannot be asked, and blames nothing', () => {
    const cells = run(() => false, { ...INPUT, endpoint: 'its daemon is stopped' });
    const tested = cells
      .filter(({ state }) => state === 'ok')
      .map(({ from, to, test }) => `${from} ${to} ${test}`);
    assert.deepEqual(tested, [
      'host host ping',
      'host host ping-full',
      'container host ping',
      'container host ping-full',
    ]);
    const untested = cells.filter(({ state }) => state === 'untested');
    assert.ok(untested.every(({ reason }) => reason === 'its daemon is stopped'));
    assert.deepEqual(locate(cells, NAMES, 1450), []);
  });

  it('tests from the host where no container can be made here', () => {
    const cells = run(() => false, { ...INPUT, container: 'not permitted' });
    assert.ok(cells.filter(({ from }) => from === 'container').every(({ state }) => state === 'untested'));
    assert.ok(cells.filter(({ from }) => from === 'host').every(({ state }) => state === 'ok'));
  });

  it('counts what this host cannot send as not tested, and blames nothing', () => {
    const reason = 'the process lacks CAP_NET_RAW';
    const cells = planCells(INPUT).map((planned) =>
      toCell(
        planned,
        planned.test.startsWith('ping') ? { ok: false, isUntested: true, reason } : { ok: true },
        RULES,
      ),
    );
    const untested = cells.filter(({ state }) => state === 'untested');
    assert.ok(untested.length > 0 && untested.every((cell) => cell.reason === reason));
    assert.deepEqual(locate(withoutFiltered(cells), NAMES, 1450), []);
  });

  const places: readonly (readonly [string, (cell: PlannedCell) => boolean, RegExp])[] = [
    ['the tunnel', ({ to }) => to !== 'outside', /^nothing passes between the hosts h1 and h2/],
    [
      'forwarding at the peer',
      ({ to }) => to === 'container',
      /^on h2, between its overlay and its containers/,
    ],
    [
      'forwarding here',
      ({ from, to }) => from === 'container' && to !== 'outside',
      /^on h1, between its containers and its overlay/,
    ],
    [
      'a rule for containers of both',
      ({ from, to }) => from === 'container' && to === 'container',
      /^between the containers of h1 and h2 alone/,
    ],
    [
      'the underlay’s MTU',
      ({ test, to }) => test.endsWith('full') && to !== 'outside',
      /^packets of 1450 bytes are lost between the hosts h1 and h2/,
    ],
    [
      'a device of the peer’s containers',
      ({ test, to }) => test.endsWith('full') && to === 'container',
      /^packets of 1450 bytes are lost at the containers of h1 or h2/,
    ],
    [
      'TCP',
      ({ test, to }) => test === 'tcp' && to === 'container',
      /^TCP alone fails from host to container/,
    ],
  ];
  for (const [what, fails, line] of places)
    it(`names the place: ${what}`, () => {
      const [first] = locate(run(fails), NAMES, 1450);
      assert.match(first ?? '', line);
    });

  it('counts connections to a host as not tested where only these are refused', () => {
    const cells = run(({ to, test }) => to === 'host' && !test.startsWith('ping'));
    assert.deepEqual(failedRoutes(cells), []);
    assert.match(cells.find(({ to, test }) => to === 'host' && test === 'tcp')?.reason ?? '', /by intent/);
    assert.deepEqual(failedRoutes(run(({ to, test }) => to === 'host' && test === 'tcp')), [
      'host host',
      'container host',
    ]);
  });

  describe('where the peer sees a wrong source', () => {
    /** Echoes show no source. */
    const masqueraded = (isLost: (cell: PlannedCell) => boolean): readonly CellV1[] =>
      withoutFiltered(
        planCells(INPUT).map((planned) => {
          const seen = planned.test.startsWith('ping') ? {} : { seen: '10.5.2.1' };
          return toCell(
            planned,
            isLost(planned) ? { ok: false, reason: 'no answer' } : { ok: true, ...seen },
            RULES,
          );
        }),
      );

    it('counts connections as failed, those to hosts as well', () => {
      const cells = masqueraded(() => false);
      const failed = cells.filter(({ state }) => state === 'failed');
      assert.deepEqual(
        failed,
        cells.filter(({ from, test }) => from === 'container' && !test.startsWith('ping')),
      );
      assert.ok(failed.every(({ wrongSource }) => wrongSource === '10.5.2.1'));
      const lines = locate(cells, NAMES, 1450);
      assert.ok(lines.length > 0);
      for (const line of lines) assert.match(line, /^on h1: the peer sees the source 10\.5\.2\.1: /);
    });

    it('counts connections that arrive as such, so that others which are lost stay failures', () => {
      const cells = masqueraded(
        ({ from, to, test }) => from === 'container' && to === 'host' && test.startsWith('udp'),
      );
      const states = cells
        .filter(({ from, to }) => from === 'container' && to === 'host')
        .map(({ state }) => state);
      assert.deepEqual(states, ['ok', 'ok', 'failed', 'failed', 'failed']);
    });
  });

  it('counts the outside as failed for containers only where the host itself passes', () => {
    const isOutside = ({ to }: PlannedCell): boolean => to === 'outside';
    assert.deepEqual(failedRoutes(run(isOutside)), []);
    assert.deepEqual(failedRoutes(run((cell) => isOutside(cell) && cell.from === 'container')), [
      'container outside',
    ]);
  });

  it('checks the source that the peer sees', () => {
    const planned = planCells(INPUT).filter(({ from, test }) => from === 'container' && test === 'tcp');
    const seen = (to: string, address: string): CellV1 =>
      toCell(
        planned.find((cell) => cell.to === to)!,
        { ok: true, seen: address },
        RULES,
      );
    assert.match(seen('outside', '10.5.1.254').reason ?? '', /not masqueraded/);
    assert.equal(seen('outside', '198.18.0.1').state, 'ok');
    assert.match(seen('container', '10.5.1.0').reason ?? '', /within the overlay are masqueraded/);
    assert.equal(seen('container', '10.5.1.254').state, 'ok');
    assert.match(
      locate([seen('container', '10.5.1.0')], NAMES, 1450)[0] ?? '',
      /nothing|masqueraded|between/,
    );
  });
});

import assert from 'node:assert/strict';
import type { EndpointAnswerV1, OpenedV1 } from '../../api/index.ts';
import { locateBack, toBackCells } from './back.ts';
import type { CellV1 } from './cells.ts';

const ENDPOINT: EndpointAnswerV1 = {
  kind: 'endpoint',
  token: 'abcd',
  host: [],
  container: [{ address: '10.5.2.254', tcp: 5, udp: 6 }],
  missing: [],
};
const NAMES = { own: 'h1', peer: 'h2' };

function opened(more: Partial<OpenedV1> = {}): readonly OpenedV1[] {
  return (['host', 'container'] as const).flatMap((from) =>
    (['host', 'container'] as const).flatMap((to) =>
      (['tcp', 'udp'] as const).map((test) => ({
        from,
        to,
        test,
        address: to === 'host' ? '10.5.1.0' : '10.5.1.254',
        seen: '10.5.2.254',
        ...more,
      })),
    ),
  );
}

/** The same tests, opened here. */
const forward = (state: CellV1['state']): readonly CellV1[] =>
  opened().map(({ from, to, test }): CellV1 => ({ family: 4, from, to, test, state }));

describe('connections that a peer opens', () => {
  it('pass', () => {
    const cells = toBackCells({ ...ENDPOINT, opened: opened() }, true);
    assert.ok(cells.length === 8 && cells.every(({ state }) => state === 'ok'));
    assert.deepEqual(locateBack(cells, forward('ok'), NAMES), []);
  });

  const lost = toBackCells({ ...ENDPOINT, opened: opened({ reason: 'no answer' }) }, true);

  it('that alone are lost name a rule by direction, and no firewall of the host itself', () => {
    assert.deepEqual(
      [...new Set(lost.map(({ to, state }) => `${to} ${state}`))],
      ['host untested', 'container failed'],
    );
    const lines = locateBack(lost, forward('ok'), NAMES);
    assert.equal(lines.length, 4);
    for (const line of lines)
      assert.match(line, /that h2 opens .* container of h1 is lost, and passes in the other/);
  });

  it('that fail in both directions are blamed once', () => {
    assert.deepEqual(locateBack(lost, forward('failed'), NAMES), []);
    assert.equal(locateBack(lost, forward('untested'), NAMES).length, 4);
  });

  it('show a source that the peer translates', () => {
    const cells = toBackCells({ ...ENDPOINT, opened: opened({ seen: '10.5.2.0' }) }, true);
    assert.ok(cells.every(({ from, state }) => (state === 'failed') === (from === 'container')));
    assert.deepEqual(locateBack(cells, forward('ok'), NAMES), [
      'on h2: this host sees the source 10.5.2.0: packets within the overlay are masqueraded',
    ]);
  });

  it('are not tested by an earlier version, nor without listeners here', () => {
    const [cell] = toBackCells(ENDPOINT, true);
    assert.match(cell?.reason ?? '', /an earlier version/);
    assert.deepEqual(toBackCells(ENDPOINT, false), []);
    assert.deepEqual(toBackCells('its daemon is stopped', true), []);
  });
});

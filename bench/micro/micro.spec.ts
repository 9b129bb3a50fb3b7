import assert from 'node:assert/strict';
import { measuresOfRounds } from './main.ts';
import { referenceOf } from './reference.ts';

describe('micro benchmark', () => {
  it('makes a measure of each function and size, in ns beside memcpy and in ticks', () => {
    const round = (ns: number) => [
      { name: 'checksum', size: 1400, subject: 'memcpy', ns: 10, ticks: 20 },
      { name: 'checksum', size: 1400, subject: 'weft', ns, ticks: 2 * ns },
      { name: 'checksum', size: 1400, subject: 'TypeScript', ns: 900, ticks: 0 },
    ];
    const measures = measuresOfRounds([round(30), round(33)]);
    assert.deepEqual(
      measures.map(({ name, unit, reference, subjects }) => [
        name,
        unit,
        reference,
        subjects.map((subject) => [subject.name, ...subject.rounds]),
      ]),
      [
        [
          'checksum 1400',
          'ns',
          'memcpy',
          [
            ['memcpy', 10, 10],
            ['weft', 30, 33],
            ['TypeScript', 900, 900],
          ],
        ],
        [
          'checksum 1400, ticks',
          'ticks',
          undefined,
          [
            ['memcpy', 20, 20],
            ['weft', 60, 66],
          ],
        ],
      ],
    );
  });

  const counts: Readonly<Record<string, number>> = { segmentation: 48, coalescing: 46 };
  for (const name of [
    'checksum',
    'encap vxlan',
    'encap udp',
    'decap vxlan',
    'decap udp',
    'segmentation',
    'coalescing',
  ])
    it(`has the specification do ${name}`, () => {
      assert.equal(referenceOf(name, 1400)(), counts[name] ?? 1);
    });

  it('names a function that the specification lacks', () => {
    assert.throws(() => referenceOf('compression', 64), /has no 'compression'/);
  });
});

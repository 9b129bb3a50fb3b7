// Faults inside containers and between them and their bridge: `weft doctor` names each cause, and after its
// command nothing is found and packets pass.
import { CONTAINER_FAULTS } from './support/doctor/container-faults.ts';
import { assertHealthy } from './support/doctor/healthy.ts';
import { describePathFaults, readPathFacts, type PathFacts } from './support/doctor/path-fault-suite.ts';
import { useLab } from './support/lab-suite.ts';

describe('weft doctor on containers', () => {
  const lab = useLab({ hosts: 2 });
  let facts: PathFacts = {};
  before(async () => (facts = await readPathFacts(lab())));

  describePathFaults(lab, () => facts, CONTAINER_FAULTS);

  it('finds nothing after all faults are fixed', () => assertHealthy(lab(), ['h1', 'h2']));
});

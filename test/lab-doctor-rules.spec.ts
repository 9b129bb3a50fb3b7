// Firewall rules that drop packets between containers, of every program that writes some: `weft doctor` names
// each rule, and after its command nothing is found and packets pass.
import { assertHealthy } from './support/doctor/healthy.ts';
import { describePathFaults, readPathFacts, type PathFacts } from './support/doctor/path-fault-suite.ts';
import { RULE_FAULTS } from './support/doctor/rule-faults.ts';
import { useLab } from './support/lab-suite.ts';

describe('weft doctor on firewall rules', () => {
  const lab = useLab({ hosts: 2 });
  let facts: PathFacts = {};
  before(async () => (facts = await readPathFacts(lab())));

  describePathFaults(lab, () => facts, RULE_FAULTS);

  it('finds nothing after all faults are fixed', () => assertHealthy(lab()));
});

// The commands of the documentation's pages that need no more than a lab.
import { describePages } from './docs-pages.ts';

describe('commands of the documentation', () => describePages({ atLeast: 3 }));

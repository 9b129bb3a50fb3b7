// Part of `make`: writes page.html and runbook.html into dist/daemon/metrics/.
import { writeFileSync } from 'node:fs';
import { packageRoot } from '../../lab/package-root.ts';
import { buildPage } from './page.ts';
import { buildRunbook } from './runbook.ts';

const { html } = await buildPage(packageRoot());
process.chdir(packageRoot());
writeFileSync('dist/daemon/metrics/page.html', html);
writeFileSync('dist/daemon/metrics/runbook.html', buildRunbook('.'));

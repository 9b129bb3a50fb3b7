// Part of `make`: writes dist/daemon/metrics/page.html.
import { writeFileSync } from 'node:fs';
import { packageRoot } from '../../lab/package-root.ts';
import { buildPage } from './page.ts';

const { html } = await buildPage(packageRoot());
process.chdir(packageRoot());
writeFileSync('dist/daemon/metrics/page.html', html);

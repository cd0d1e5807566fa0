/** Writes `docs/run-flags.md` from the table in test/run-flags. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { flagsPage } from '../test/run-flags/page.ts';

writeFileSync(join(resolve(import.meta.dir, '..'), 'docs/run-flags.md'), flagsPage());
console.log('docs/run-flags.md: written');

/** Writes `docs/cli/*.md` from the commands. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cliDocs } from '../src/cli/docs.ts';

const FOLDER = join(resolve(import.meta.dir, '..'), 'docs/cli');

const pages = await cliDocs();
mkdirSync(FOLDER, { recursive: true });
for (const name of readdirSync(FOLDER))
  if (name.endsWith('.md') && !pages.has(name)) rmSync(join(FOLDER, name));
for (const [name, text] of pages) writeFileSync(join(FOLDER, name), text);
console.log(`docs/cli: ${pages.size} pages`);

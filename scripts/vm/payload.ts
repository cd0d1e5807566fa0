/** The second disk of the virtual machine: the program, the tests, and what runs them: Bun, the docker client. */
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { dockerCli } from '../../test/support/daemon.ts';
import { ensureBuilt } from '../ensure-built.ts';
import { makeDisk, PAYLOAD_LABEL } from './system-image.ts';

const ROOT = resolve(import.meta.dir, '../..');
/** What tests import and what is installed. */
const PARTS = ['package.json', 'package-lock.json', 'src', 'test', 'scripts', 'packaging'];

/** The machine's unit runs this. Whatever happens in it, the machine does not stay. */
const START = `#!/bin/bash
cd /payload/tare
node_modules/.bin/bun test/vm/inside.ts || { echo "@died with $?"; systemctl poweroff; }
`;

export interface PayloadOptions {
  /** Lines of test/vm/list.txt to run; undefined: all. */
  readonly filter: string | undefined;
  /** Regular expression on names of tests. */
  readonly pattern: string | undefined;
}

/** Writes the disk to `file`; `work` is an empty folder for it. Some 2 s. */
export async function makePayload(file: string, work: string, options: PayloadOptions): Promise<void> {
  await ensureBuilt();
  const tree = join(work, 'tare');
  mkdirSync(join(tree, 'node_modules/.bin'), { recursive: true });
  mkdirSync(join(tree, 'node_modules/bun/bin'), { recursive: true });
  for (const part of [...PARTS, 'dist/tare', 'dist/.sources', 'node_modules/bun/bin/bun.exe']) {
    cpSync(join(ROOT, part), join(tree, part), { recursive: true, preserveTimestamps: true });
  }
  mkdirSync(join(tree, 'bin'));
  cpSync(dockerCli(), join(tree, 'bin/docker'), { dereference: true });
  symlinkSync('../bun/bin/bun.exe', join(tree, 'node_modules/.bin/bun'));
  writeFileSync(join(tree, 'options.json'), JSON.stringify(options));
  writeFileSync(join(work, 'start'), START);
  await makeDisk(work, file, '1G', PAYLOAD_LABEL);
  rmSync(tree, { recursive: true });
}

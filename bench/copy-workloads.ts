/** The rows about files in and out of containers. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../test/support/command.ts';
import { type Engine, timed } from './engine.ts';
import type { Workload } from './workloads.ts';

const BOX = 'copybox';
const FOLDERS = 100;
const FILES_EACH = 100;
/** Bytes. */
const FILE = 30_000;

const source = (engine: Engine): string => join(engine.store, '..', 'copy-source');
const targets = (engine: Engine): string => join(engine.store, '..', 'copy-targets');

/** 10,000 files of 30 kB that no compression makes smaller. */
function makeSource(engine: Engine): void {
  rmSync(source(engine), { recursive: true, force: true });
  const bytes = new Uint8Array(FILE);
  for (let folder = 0; folder < FOLDERS; folder++) {
    const path = join(source(engine), `d${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < FILES_EACH; file++) {
      writeFileSync(join(path, `f${file}`), crypto.getRandomValues(bytes));
    }
  }
}

/** What was written before is not the next measurement's. */
const settle = () => must(['sync']);

async function prepare(engine: Engine): Promise<void> {
  makeSource(engine);
  await timed(engine, ['run', '-d', '--name', BOX, 'busybox', 'sleep', '100000']);
}

async function finish(engine: Engine): Promise<void> {
  await timed(engine, ['rm', '-f', BOX]);
  for (const path of [source(engine), targets(engine)]) rmSync(path, { recursive: true, force: true });
}

/**
 * Each copy goes to a new place: ext4 makes files slowly for half a minute where many were deleted (docs/adr/0003), and
 * that is not what is measured.
 */
let copies = 0;

const copyIn = (engine: Engine, name: string) => timed(engine, ['cp', source(engine), `${BOX}:/${name}`]);

export const COPY_WORKLOADS: readonly Workload[] = [
  {
    id: 'cp-in',
    title: '`cp` of 10,000 files (300 MB) into a container',
    target: '<= 0.5x',
    unit: 'ms',
    runs: 3,
    prepare,
    finish,
    async measure(engine) {
      await settle();
      return (await copyIn(engine, `copy${++copies}`)).milliseconds;
    },
  },
  {
    id: 'cp-out',
    title: '`cp` of them out of it',
    target: '<= 0.5x',
    unit: 'ms',
    runs: 3,
    finish,
    async prepare(engine) {
      await prepare(engine);
      await copyIn(engine, 'copied');
      mkdirSync(targets(engine), { recursive: true });
    },
    async measure(engine) {
      await settle();
      const target = join(targets(engine), String(++copies));
      return (await timed(engine, ['cp', `${BOX}:/copied`, target])).milliseconds;
    },
  },
  {
    id: 'commit',
    title: '`commit` of a change of 300 MB',
    target: '<= 0.4x',
    unit: 'ms',
    runs: 3,
    finish,
    async prepare(engine) {
      await prepare(engine);
      await copyIn(engine, 'copied');
    },
    async measure(engine) {
      // Something new each time: a layer that is there already would not be stored again.
      await timed(engine, ['exec', BOX, 'sh', '-c', 'date +%s%N >/copied/new']);
      await settle();
      const { milliseconds } = await timed(engine, ['commit', BOX, 'committed']);
      await timed(engine, ['rmi', 'committed']);
      return milliseconds;
    },
  },
];

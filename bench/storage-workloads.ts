/** Throughput of what is mounted into containers, against the same on the host. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../test/support/command.ts';
import { type Engine, timed } from './engine.ts';
import type { Workload } from './workloads.ts';

/** Sequential reads and writes by turns, in pieces of 128 KiB. */
const JOB = [
  ...['--name=job', '--filename=job', '--rw=readwrite', '--bs=128k', '--size=128m', '--ioengine=psync'],
  ...['--runtime=2', '--time_based', '--output-format=json', '--allow_file_create=1'],
];

/** The programs of the host inside: fio needs its libraries. */
const PROGRAMS = ['/usr', '/lib', '/lib64'].flatMap((path) => ['-v', `${path}:${path}:ro`]);

interface FioResult {
  readonly jobs: ReadonlyArray<{
    readonly read: { readonly bw: number };
    readonly write: { readonly bw: number };
  }>;
}

/** KiB a second, read and written. */
function throughput(output: string): number {
  const { jobs } = JSON.parse(output.slice(output.indexOf('{'))) as FioResult;
  return jobs.reduce((sum, { read, write }) => sum + read.bw + write.bw, 0);
}

interface Kind {
  readonly id: string;
  readonly what: string;
  /** Of a disk: past the page cache, which would measure the memory. */
  readonly direct: boolean;
  /** How it gets to /mnt in the container. `folder` is the host's own, on the same file system. */
  readonly flags: (folder: string) => string[];
}

const KINDS: readonly Kind[] = [
  { id: 'fio-bind', what: 'a bind', direct: true, flags: (folder) => ['-v', `${folder}:/mnt`] },
  { id: 'fio-volume', what: 'a volume', direct: true, flags: () => ['-v', 'bench-fio:/mnt'] },
  { id: 'fio-tmpfs', what: 'a tmpfs', direct: false, flags: () => ['--tmpfs', '/mnt:size=300m'] },
];

function storageWorkload({ id, what, direct, flags }: Kind): Workload {
  const folders = new Map<Engine, string>();
  let round = 0;
  const job = [...JOB, `--direct=${direct ? 1 : 0}`];
  const onHost = async (folder: string) => throughput(await must(['fio', ...job], { cwd: folder }));
  const inside = async (engine: Engine, folder: string) => {
    const mounts = [...PROGRAMS, ...flags(folder), '-w', '/mnt'];
    const { stdout } = await timed(engine, ['run', '--rm', ...mounts, 'busybox', '/usr/bin/fio', ...job]);
    return throughput(stdout);
  };
  return {
    id,
    title: `fio on ${what}: throughput, as a part of the host's own`,
    target: '>= 0.95x',
    unit: 'x',
    runs: 7,
    async prepare(engine) {
      const folder = mkdtempSync(join(engine.store, '..', 'fio-'));
      folders.set(engine, folder);
      mkdirSync(folder, { recursive: true });
      if (!direct) await must(['mount', '-t', 'tmpfs', '-o', 'size=300m', 'tmpfs', folder]);
    },
    async measure(engine) {
      const folder = folders.get(engine)!;
      // In turn, and each first in every other round.
      if (round++ % 2 === 0) {
        const host = await onHost(folder);
        return (await inside(engine, folder)) / host;
      }
      const own = await inside(engine, folder);
      return own / (await onHost(folder));
    },
    async finish(engine) {
      const folder = folders.get(engine)!;
      if (!direct) await must(['umount', folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const STORAGE_WORKLOADS: readonly Workload[] = KINDS.map(storageWorkload);

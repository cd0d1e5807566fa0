/** The rows about names: how many answers a container gets, and how long the slow ones take. */
import { join } from 'node:path';
import { must } from '../test/support/command.ts';
import { type Engine, timed } from './engine.ts';
import type { Workload } from './workloads.ts';

const NETWORK = 'dns-bench';
const ASKER = 'dns-asker';
const NAME = 'dns-named';
const SECONDS = 3;

interface Load {
  readonly answers: number;
  readonly seconds: number;
  readonly p99: number;
  readonly lost: number;
}

async function prepare(engine: Engine): Promise<void> {
  await timed(engine, ['network', 'create', NETWORK]);
  for (const name of [ASKER, NAME]) {
    await timed(engine, ['run', '-d', '--name', name, '--net', NETWORK, 'busybox', 'sleep', '100000']);
  }
}

async function finish(engine: Engine): Promise<void> {
  await timed(engine, ['rm', '-f', ASKER, NAME]);
  await timed(engine, ['network', 'rm', NETWORK]);
}

async function load(engine: Engine): Promise<Load> {
  const { stdout: pid } = await timed(engine, ['inspect', '-f', '{{.State.Pid}}', ASKER]);
  const program = join(import.meta.dir, 'dns-load.ts');
  const argv = [process.execPath, program, NAME, String(SECONDS)];
  return JSON.parse(await must(['nsenter', `--net=/proc/${pid}/ns/net`, '--', ...argv])) as Load;
}

export const DNS_WORKLOADS: readonly Workload[] = [
  {
    id: 'dns',
    title: 'DNS answers a second for a container’s name, 16 questions under way',
    target: '>= 1.0x',
    unit: '/s',
    runs: 5,
    needsDaemon: true,
    prepare,
    async measure(engine, note) {
      const { answers, seconds, lost } = await load(engine);
      if (lost > 0) note(`${lost} questions asked again`);
      return answers / seconds;
    },
    finish,
  },
  {
    id: 'dns-p99',
    title: 'the slowest hundredth of these',
    target: '<= 1.0x',
    unit: 'ms',
    runs: 5,
    needsDaemon: true,
    prepare,
    measure: async (engine) => (await load(engine)).p99,
    finish,
  },
];

/**
 * `bun run bench`: the same work on Tare, dockerd and podman in turn, as a table of medians and ratios.
 * Needs root. Each engine runs in a network namespace of its own, with its own data, and is taken away at the end.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { busyboxTar } from '../test/support/busybox-image.ts';
import { BUILD_WORKLOADS } from './build-workloads.ts';
import { COPY_WORKLOADS } from './copy-workloads.ts';
import { DNS_WORKLOADS } from './dns-workloads.ts';
import { DockerEngine } from './dockerd.ts';
import type { Engine } from './engine.ts';
import { Floor } from './floor.ts';
import { Groups } from './groups.ts';
import { removeRegistries } from './image-registry.ts';
import { IMAGE_WORKLOADS } from './image-workloads.ts';
import { LIFECYCLE_WORKLOADS } from './lifecycle-workloads.ts';
import { LOG_WORKLOADS } from './log-workloads.ts';
import { NETWORK_WORKLOADS } from './network-workloads.ts';
import { PodmanEngine } from './podman.ts';
import { PORT_WORKLOADS } from './port-workloads.ts';
import { REGISTRY_WORKLOADS } from './registry-workloads.ts';
import { describeMachine, type Row, table } from './report.ts';
import { STORAGE_WORKLOADS } from './storage-workloads.ts';
import { TareEngine } from './tare.ts';
import { newerDebian } from './tree.ts';
import { WORKLOADS as ENGINE_WORKLOADS, median, type Workload } from './workloads.ts';

const WORKLOADS = [
  ...ENGINE_WORKLOADS,
  ...LIFECYCLE_WORKLOADS,
  ...BUILD_WORKLOADS,
  ...COPY_WORKLOADS,
  ...DNS_WORKLOADS,
  ...IMAGE_WORKLOADS,
  ...LOG_WORKLOADS,
  ...NETWORK_WORKLOADS,
  ...PORT_WORKLOADS,
  ...REGISTRY_WORKLOADS,
  ...STORAGE_WORKLOADS,
];

const HELP = `Usage: bun run bench [OPTIONS]

  --only ROW[,ROW]   these rows only: floor, ${WORKLOADS.map((work) => work.id).join(', ')}
  --runs N           measurements of each engine in each row, instead of the row's own number
  --peers LIST       of: dockerd, podman, new (Debian 13's dockerd and podman), none   (default: dockerd,podman)
  --json FILE        write the figures there as well
`;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    runs: { type: 'string' },
    peers: { type: 'string', default: 'dockerd,podman' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (flags.help) {
  console.log(HELP);
  process.exit(0);
}

const say = (line: string) => console.error(line);
const only = flags.only?.split(',');
const known = ['floor', ...WORKLOADS.map((work) => work.id)];
const unknown = only?.filter((id) => !known.includes(id)) ?? [];
if (unknown.length > 0) stop(`no row ${unknown.join(', ')}; rows: ${known.join(', ')}`);
if (process.getuid?.() !== 0) stop('needs root: it starts container engines');
const runs = flags.runs === undefined ? undefined : Number(flags.runs);
if (runs !== undefined && !(runs >= 1)) stop(`--runs takes a number from 1, not ${flags.runs}`);
const peers = flags.peers === 'new' ? ['dockerd', 'podman', 'new'] : flags.peers.split(',');
const wrong = peers.filter((name) => !['dockerd', 'podman', 'new', 'none'].includes(name));
if (wrong.length > 0) stop(`no peer ${wrong.join(', ')}`);

function stop(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}

/** The peers' packages come from Debian; `./check`'s set-up script knows how. */
async function installPeers(): Promise<void> {
  const root = resolve(import.meta.dir, '..');
  const script =
    'ROOT=$1; . "$ROOT/scripts/setup.sh"; require_root; require_debian; install_packages run test bench';
  const child = Bun.spawn(['bash', '-euc', script, 'bench', root], {
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
  });
  if ((await child.exited) !== 0) stop('the peers could not be installed');
}

async function measureRow(work: Workload, engines: readonly Engine[]): Promise<Row> {
  const taking = engines.filter(
    (engine) =>
      !(work.tareOnly && engine.name !== 'tare') && !(work.needsDaemon && engine.daemonPids().length === 0),
  );
  const samples = new Map<string, number[]>(taking.map((engine) => [engine.name, []]));
  const notes = new Set<string>();
  for (const engine of taking) await work.prepare?.(engine);
  const count = runs ?? work.runs;
  // Once unmeasured, so that every program and file is in the page cache; long rows warm themselves.
  const warm = work.unit === 'ms' && work.runs > 3 ? 1 : 0;
  for (let round = -warm; round < count; round++) {
    for (const engine of taking) {
      const prefix = taking.length > 1 ? `${engine.name}: ` : '';
      const value = await work.measure(engine, (text) => notes.add(`${prefix}${text}`));
      if (round >= 0) samples.get(engine.name)!.push(value);
    }
  }
  for (const engine of taking) await work.finish?.(engine);
  const values = Object.fromEntries([...samples].map(([name, list]) => [name, median(list)]));
  return { id: work.id, title: work.title, target: work.target, unit: work.unit, values, notes: [...notes] };
}

async function measureFloor(docker: DockerEngine): Promise<Row> {
  const floor = new Floor();
  try {
    await floor.prepare(docker, await busyboxTar());
    const values: number[] = [];
    for (let i = 0; i < (runs ?? 15); i++) values.push(await floor.once());
    const title = 'floor: conmon + crun create, start, delete; no client, no daemon';
    return { id: 'floor', title, target: 'printed', unit: 'ms', values: { tare: median(values) }, notes: [] };
  } finally {
    await floor.close();
  }
}

async function main(): Promise<void> {
  await installPeers();
  const docker = new DockerEngine();
  const engines: Engine[] = [new TareEngine()];
  if (peers.includes('dockerd')) engines.push(docker);
  if (peers.includes('podman')) engines.push(new PodmanEngine());
  if (peers.includes('new')) {
    const tree = await newerDebian(say);
    engines.push(new DockerEngine(tree), new PodmanEngine(tree));
  }
  const groups = new Groups();
  const started: Engine[] = [];
  const rows: Row[] = [];
  const versions: string[] = [];
  const stopAll = async () => {
    for (const engine of started.splice(0)) {
      await engine.stop().catch((error: Error) => say(`${engine.name}: ${error.message}`));
    }
    removeRegistries();
    groups.removeNew();
  };
  process.once('SIGINT', () => void stopAll().then(() => process.exit(130)));
  process.once('SIGTERM', () => void stopAll().then(() => process.exit(143)));
  try {
    for (const engine of engines) {
      started.push(engine);
      await engine.start();
      versions.push(await engine.version());
      say(`${versions.at(-1)} is ready`);
    }
    const wanted = (id: string) => only === undefined || only.includes(id);
    if (wanted('floor') && engines.includes(docker)) {
      say('measuring floor');
      rows.push(await measureFloor(docker));
    }
    for (const work of WORKLOADS.filter(({ id }) => wanted(id))) {
      say(`measuring ${work.id}`);
      rows.push(await measureRow(work, engines));
    }
  } finally {
    await stopAll();
  }
  const machine = describeMachine();
  const names = engines.map((engine) => engine.name);
  console.log(
    `\n${machine}\n${versions.join('; ')}\nmedians, engines measured in turn\n\n${table(rows, names)}`,
  );
  if (flags.json) await Bun.write(flags.json, `${JSON.stringify({ machine, versions, rows }, null, 2)}\n`);
}

await main();

/** kill -9 of the daemon at any moment of create, start, exec, stop and rm: the next start makes it whole. */
import { expect, test } from 'bun:test';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupFile } from '../support/cgroups.ts';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const SEED = Number(process.env.TARE_CRASH_SEED ?? Date.now() % 1_000_000);
/** Kills per kind of request. */
const ROUNDS = Number(process.env.TARE_CRASH_ROUNDS ?? 4);
const HANDLER = 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done';
const BODY = { Image: 'busybox', Cmd: ['sh', '-c', HANDLER], HostConfig: { Binds: ['kept:/v'] } };

/** A small generator of pseudo-random numbers below 1 (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Inspect {
  Id: string;
  HostConfig: { Memory: number };
  State: { Status: string; Pid: number; ExitCode: number; ExitCodeKnown?: boolean };
}

async function inspect(daemon: TestDaemon, name: string): Promise<Inspect | undefined> {
  const answer = await daemon.request('GET', `/containers/${name}/json`);
  return answer.status === 404 ? undefined : ((await answer.json()) as Inspect);
}

async function running(daemon: TestDaemon, name: string): Promise<void> {
  await daemon.request('POST', `/containers/create?name=${name}`, BODY);
  expect((await daemon.request('POST', `/containers/${name}/start`)).status).toBe(204);
  await until('it is ready', async () => (await daemon.ok('tare', ['logs', name])) === 'ready');
}

interface Step {
  readonly name: string;
  /** Milliseconds in which the request is done on an idle machine. */
  readonly span: number;
  readonly prepare: (daemon: TestDaemon) => Promise<void>;
  readonly request: (daemon: TestDaemon) => Promise<unknown>;
  /** What may be there afterwards. */
  readonly check: (found: Inspect | undefined) => void;
}

const STEPS: readonly Step[] = [
  {
    name: 'create',
    span: 30,
    prepare: async () => {},
    request: (daemon) => daemon.request('POST', '/containers/create?name=it', BODY),
    check: (found) => expect(found?.State.Status ?? 'created').toBe('created'),
  },
  {
    name: 'start',
    span: 120,
    prepare: async (daemon) => void (await daemon.request('POST', '/containers/create?name=it', BODY)),
    request: (daemon) => daemon.request('POST', '/containers/it/start'),
    check: (found) => expect(found?.State.Status).toMatch(/^(created|running)$/),
  },
  {
    name: 'exec',
    span: 80,
    prepare: (daemon) => running(daemon, 'it'),
    request: (daemon) => daemon.tare('exec', 'it', 'sleep', '0.02'),
    check: (found) => expect(found?.State.Status).toBe('running'),
  },
  {
    name: 'stop',
    span: 120,
    prepare: (daemon) => running(daemon, 'it'),
    request: (daemon) => daemon.request('POST', '/containers/it/stop?t=30'),
    check: (found) => {
      expect(found?.State.Status).toMatch(/^(exited|running)$/);
      // Its true code is kept, whenever the daemon was killed.
      if (found?.State.Status === 'exited') expect(found.State.ExitCode).toBe(3);
    },
  },
  {
    name: 'update',
    span: 20,
    prepare: (daemon) => running(daemon, 'it'),
    request: (daemon) =>
      daemon.request('POST', '/containers/it/update', { Memory: 77 << 20, MemorySwap: -1 }),
    check: (found) => {
      // The row and the kernel say the same, either way.
      const told = found!.HostConfig.Memory;
      const holds = Number(cgroupFile(found!.State.Pid, 'memory/memory.limit_in_bytes', 'memory.max'));
      expect([0, 77 << 20]).toContain(told);
      expect(holds < 2 ** 40 ? holds : 0).toBe(told);
    },
  },
  {
    name: 'rm -f',
    span: 120,
    prepare: (daemon) => running(daemon, 'it'),
    request: (daemon) => daemon.request('DELETE', '/containers/it?force=1'),
    check: (found) => {
      if (found) expect(found.State.Status).toMatch(/^(running|exited)$/);
      if (found?.State.Status === 'exited') expect(found.State.ExitCode).toBe(137);
    },
  },
];

/** After the restart everything that is listed is there, and nothing else is. */
async function expectWhole(daemon: TestDaemon, { check }: Step): Promise<void> {
  // A stop signal may have been on its way: then the end is about to come.
  await Bun.sleep(300);
  const found = await inspect(daemon, 'it');
  check(found);
  if (found?.State.Status === 'running') {
    expect(existsSync(`/proc/${found.State.Pid}`)).toBe(true);
    expect(await daemon.ok('tare', ['exec', 'it', 'echo', 'well'])).toBe('well');
  } else {
    for (const part of ['c', 'rt/crun', 'rt/monitors', 'rt/exits', 'rt/execs']) {
      const at = join(daemon.execRoot, part);
      expect({ part, left: existsSync(at) ? readdirSync(at) : [] }).toEqual({ part, left: [] });
    }
    expect(daemon.traces().filter((line) => found !== undefined && line.includes(found.Id))).toEqual([]);
    if (found) {
      expect((await daemon.request('POST', '/containers/it/start')).status).toBe(204);
      expect(await daemon.ok('tare', ['exec', 'it', 'echo', 'well'])).toBe('well');
    } else {
      expect((await daemon.request('POST', '/containers/create?name=it', BODY)).status).toBe(201);
    }
  }
  expect((await daemon.request('DELETE', '/containers/it?force=1')).status).toBe(204);
  expect(daemon.traces()).toEqual([]);
}

test.each(STEPS)(
  `$name, killed at any moment (seed ${SEED})`,
  async (step) => {
    const random = generator(SEED);
    await using daemon = await startDaemon({ isolated: true });
    for (let round = 0; round < ROUNDS; round++) {
      await step.prepare(daemon);
      // The first one after the shortest time, the others anywhere, also behind the end.
      const after = round === 0 ? 1 : random() * step.span * 1.5;
      const request = step.request(daemon).catch(() => undefined);
      await Bun.sleep(after);
      await daemon.kill9();
      await request;
      await daemon.start();
      try {
        await expectWhole(daemon, step);
      } catch (error) {
        throw new Error(
          `${step.name}, killed after ${after.toFixed(1)} ms (seed ${SEED}): ${error}\n${daemon.log()}`,
        );
      }
    }
  },
  240_000,
);

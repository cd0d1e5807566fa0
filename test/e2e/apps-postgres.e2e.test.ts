/** Postgres with a gigabyte on a named volume, under a memory limit, while the daemon is killed again and again. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { haveApp } from '../../scripts/images/make-app-image.ts';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

/** Milliseconds; bounds against hangs. */
const PATIENCE = 600_000;
/** pgbench's scale: 100,000 accounts each, 1,024 MB in all. */
const SCALE = 68;
const LIMIT = 256 << 20;

let daemon: TestDaemon;
const out = (...args: string[]) => daemon.ok('tare', args, { timeout: PATIENCE });

beforeAll(async () => {
  // On the machine's own network: where the image is not cached yet, packages come from the outside.
  daemon = await startDaemon({ bare: true });
  await haveApp('postgres', (args) => out(...args));
}, PATIENCE);
afterAll(() => daemon?.stop(), 120_000);

const sql = (name: string, text: string) => out('exec', name, 'psql', '-U', 'postgres', '-Atc', text);

async function startServer(name: string): Promise<void> {
  const limits = ['-m', String(LIMIT), '--cpus', '2'];
  await out(
    'run',
    '-d',
    '--name',
    name,
    ...limits,
    '--network',
    'app',
    '-v',
    'rows:/var/lib/postgresql/data',
    'postgres',
  );
  await takesQueries(name);
}

async function takesQueries(name: string): Promise<void> {
  const argv = ['exec', name, 'psql', '-h', '127.0.0.1', '-U', 'postgres', '-c', 'SELECT 1'];
  await until('Postgres takes queries', async () => (await daemon.tare(...argv)).code === 0, PATIENCE);
}

/** Starts pgbench in a container of its own, as an application would be. */
const startPgbench = (name: string, ...args: string[]) =>
  out(
    'run',
    '-d',
    '--name',
    name,
    '--network',
    'app',
    'postgres',
    'pgbench',
    '-h',
    'db',
    '-U',
    'postgres',
    ...args,
  );

/** Kills the daemon while container `busy` is at work, and starts it after as long as its supervisor might take. */
async function crash(busy: string): Promise<void> {
  expect(await out('inspect', '-f', '{{.State.Running}}', busy)).toBe('true');
  await daemon.kill9();
  await Bun.sleep(500);
  await daemon.start();
}

/** Waits for a pgbench container to end well, gives what it said and removes it. */
async function finished(name: string): Promise<string> {
  const code = await out('wait', name);
  const said = await daemon.client('tare', ['logs', name]);
  expect({ code, stderr: code === '0' ? '' : said.stderr }).toEqual({ code: '0', stderr: '' });
  await out('rm', name);
  return said.stdout + said.stderr;
}

const state = async (name: string) => {
  const format =
    '{{.State.Running}} {{.State.OOMKilled}} {{.RestartCount}} {{.State.Pid}} {{.HostConfig.Memory}}';
  return out('inspect', '-f', format, name);
};

/** One line that changes with any row lost, doubled or changed. */
const sums = (name: string) =>
  sql(
    name,
    `SELECT count(*), sum(aid), sum(aid::bigint * bid), sum(abalance), sum(aid::bigint * abalance) FROM pgbench_accounts
     UNION ALL SELECT count(*), sum(tid), sum(tid * bid), sum(tbalance), sum(tid::bigint * tbalance) FROM pgbench_tellers
     UNION ALL SELECT count(*), sum(bid), 0, sum(bbalance), sum(bid::bigint * bbalance) FROM pgbench_branches
     UNION ALL SELECT count(*), sum(tid), sum(aid), sum(delta), sum(aid::bigint * delta) FROM pgbench_history`,
  );

test(
  'a gigabyte is loaded and changed through kills of the daemon; restart, rm and a new container on the volume lose no row',
  async () => {
    await out('network', 'create', 'app');
    await out('volume', 'create', 'rows');
    await startServer('db');
    const before = await state('db');
    expect(before).toMatch(new RegExp(`^true false 0 \\d+ ${LIMIT}$`));

    await startPgbench('load', '-i', '-I', 'dtGvp', '-s', String(SCALE));
    const size = async () => Number(await sql('db', `SELECT pg_database_size('postgres')`));
    await until('a tenth is loaded', async () => (await size()) > 100 << 20, PATIENCE);
    await crash('load');
    await until('half is loaded', async () => (await size()) > 500 << 20, PATIENCE);
    await crash('load');
    expect(await finished('load')).toContain('creating primary keys');
    expect(await size()).toBeGreaterThan(1000 << 20);
    expect(await state('db')).toBe(before);

    await startPgbench('change', '-n', '-c', '4', '-T', '6');
    const changes = async () => Number(await sql('db', 'SELECT count(*) FROM pgbench_history'));
    await until('rows change', async () => (await changes()) > 50, PATIENCE);
    await crash('change');
    const told = /actually processed: (\d+)/.exec(await finished('change'))?.[1];
    expect(String(await changes())).toBe(told!);

    const wanted = await sums('db');
    const [accounts, tellers, branches, history] = wanted.split('\n').map((line) => line.split('|'));
    expect([accounts![0], tellers![0], branches![0]]).toEqual(
      [100_000, 10, 1].map((each) => String(each * SCALE)),
    );
    // Each transaction adds its amount to one row of each table.
    expect([accounts![3], tellers![3], branches![3]]).toEqual(Array(3).fill(history![3]));

    await out('restart', 'db');
    await takesQueries('db');
    expect(await changes()).toBe(Number(told));

    // Without a warning, in the midst of changes: the server recovers from its log.
    await startPgbench('cut', '-n', '-c', '4', '-T', '60');
    await until('rows change again', async () => (await changes()) > Number(told) + 50, PATIENCE);
    await out('rm', '-f', 'db');
    expect(await out('wait', 'cut')).not.toBe('0');
    await startServer('new');
    const [after, , , recovered] = (await sums('new')).split('\n').map((line) => line.split('|'));
    expect(after!.slice(0, 3)).toEqual(accounts!.slice(0, 3));
    expect(after![3]).toBe(recovered![3]!);
    expect(Number(recovered![0])).toBeGreaterThan(Number(told) + 50);
    expect(await state('new')).toMatch(/^true false 0 /);
  },
  PATIENCE,
);

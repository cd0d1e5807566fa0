/** Real programs from Debian's archive, in containers of a Debian image. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { haveApp, haveDebian } from '../../scripts/images/make-app-image.ts';
import { must, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
const out = (...args: string[]) => daemon.ok('tare', args, { timeout: 900_000 });
const client = (args: readonly string[]) => daemon.ok('tare', args, { timeout: 900_000 });
const address = (id: string) => out('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', id);

beforeAll(async () => {
  // On the machine's own network: packages come from the outside.
  daemon = await startDaemon();
  await haveDebian(client);
}, 900_000);
afterAll(() => daemon?.stop(), 120_000);

/** Sends bytes and gives the first answer, as text. */
function ask(host: string, port: number, bytes: Uint8Array | string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: 3000 }, () => socket.write(bytes));
    socket.once('data', (data) => {
      resolve(data.toString('latin1'));
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
  });
}
const answers = async (host: string, port: number, bytes: Uint8Array | string, wanted: RegExp) => {
  try {
    return wanted.test(await ask(host, port, bytes));
  } catch {
    return false;
  }
};

test('apt-get update && apt-get install nginx-light on the default bridge; nginx answers the host', async () => {
  const script =
    'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y nginx-light && nginx && echo ready && sleep 1000';
  const id = await out('run', '-d', 'debian:bookworm', 'sh', '-c', script);
  await until(
    'nginx is installed',
    async () => {
      const text = await daemon.tare('logs', '--tail', '5', id);
      if ((await out('inspect', '-f', '{{.State.Running}}', id)) !== 'true')
        throw new Error(text.stdout + text.stderr);
      return text.stdout.includes('ready');
    },
    600_000,
  );
  expect(await must(['busybox', 'wget', '-q', '-O', '-', `http://${await address(id)}/`])).toContain(
    'Welcome to nginx',
  );
  await out('rm', '-f', id);
}, 900_000);

describe.each([
  {
    name: 'postgres' as const,
    port: 5432,
    user: /^postgres$/,
    // A request for TLS, which the server answers with N.
    probe: Uint8Array.from([0, 0, 0, 8, 4, 210, 22, 47]),
    wanted: /^[NS]$/,
    write: ['psql', '-U', 'postgres', '-c', 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)'],
    read: ['psql', '-U', 'postgres', '-tAc', 'SELECT n FROM kept'],
    value: '42',
    log: /database system is ready to accept connections/,
  },
  {
    name: 'redis' as const,
    port: 6379,
    user: /^redis$/,
    probe: 'PING\r\n',
    wanted: /PONG/,
    write: ['redis-cli', 'SET', 'kept', '42'],
    read: ['redis-cli', 'GET', 'kept'],
    value: '42',
    log: /Ready to accept connections/,
  },
])('$name', ({ name, port, user, probe, wanted, write, read, value, log }) => {
  test('runs as its own user and survives kill -9 of the daemon: it answers while the daemon is away and afterwards', async () => {
    await haveApp(name, client);
    const id = await out('run', '-d', name);
    const host = await address(id);
    await until(`${name} answers`, () => answers(host, port, probe, wanted), 60_000);
    expect(await out('exec', id, 'sh', '-c', 'id -un')).toMatch(user);
    await until(
      'it takes commands',
      async () => (await daemon.tare('exec', id, ...write)).code === 0,
      30_000,
    );
    const early = await daemon.client('tare', ['logs', id]);
    await daemon.kill9();
    expect(await answers(host, port, probe, wanted)).toBe(true);
    await daemon.start();
    expect(await answers(host, port, probe, wanted)).toBe(true);
    expect(await out('exec', id, ...read)).toBe(value);
    const late = await daemon.client('tare', ['logs', id]);
    expect(late.stdout).toStartWith(early.stdout);
    expect(late.stderr).toStartWith(early.stderr);
    expect(late.stdout + late.stderr).toMatch(log);
    const waiting = daemon.open('tare', ['wait', id]);
    await Bun.sleep(300);
    await out('stop', id);
    await waiting.exited();
    expect(waiting.output()).toBe('0\n');
    expect(await out('inspect', '-f', '{{.State.ExitCode}}', id)).toBe('0');
    await out('start', id);
    await until(`${name} answers again`, async () => answers(await address(id), port, probe, wanted), 60_000);
    await until(
      'it has its data',
      async () => (await daemon.tare('exec', id, ...read)).stdout.trim() === value,
    );
    await out('rm', '-f', '-v', id);
  }, 900_000);
});

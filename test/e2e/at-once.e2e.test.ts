/** 200 requests at once for the same name, container, volume or port: each answer is right and nothing leaks. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const COUNT = 200;
const SLEEPER = { Image: 'busybox', Cmd: ['sleep', '900'], StopSignal: 'SIGKILL' };

/** Sends COUNT requests at once; gives how often each status came, and the answers. */
async function atOnce(
  method: string,
  path: (index: number) => string,
  body?: (index: number) => unknown,
): Promise<{ counts: Record<number, number>; answers: Array<{ status: number; text: string }> }> {
  const answers = await Promise.all(
    Array.from({ length: COUNT }, async (_, index) => {
      const response = await daemon.request(method, path(index), body?.(index));
      return { status: response.status, text: await response.text() };
    }),
  );
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return { counts, answers };
}

const idOf = ({ text }: { text: string }) => (JSON.parse(text) as { Id: string }).Id;

test('one name: one is made, the others are told whose it is; started and removed by all at once', async () => {
  const made = await atOnce(
    'POST',
    () => '/containers/create?name=one',
    () => SLEEPER,
  );
  expect(made.counts).toEqual({ 201: 1, 409: COUNT - 1 });
  const id = idOf(made.answers.find(({ status }) => status === 201)!);
  expect(await daemon.ids()).toEqual([id]);
  for (const { status, text } of made.answers) {
    if (status === 409)
      expect(text).toContain(`The container name \\"/one\\" is already in use by container \\"${id}\\"`);
  }
  const started = await atOnce('POST', () => '/containers/one/start');
  expect(started.counts).toEqual({ 204: 1, 304: COUNT - 1 });
  const stopped = await atOnce('POST', () => '/containers/one/stop?t=0');
  expect(Object.keys(stopped.counts).every((status) => ['204', '304'].includes(status))).toBe(true);
  expect(stopped.counts[204]).toBeGreaterThanOrEqual(1);
  const removed = await atOnce('DELETE', () => '/containers/one?force=1');
  expect(Object.keys(removed.counts).every((status) => ['204', '404', '409'].includes(status))).toBe(true);
  expect(removed.counts[204]).toBeGreaterThanOrEqual(1);
  expect(await daemon.ids()).toEqual([]);
  expect(daemon.traces()).toEqual([]);
}, 120_000);

test('one volume and one port: the volume is one, the port is the first one’s', async () => {
  const made = await atOnce(
    'POST',
    (index) => `/containers/create?name=c${index}`,
    () => ({
      ...SLEEPER,
      HostConfig: { Binds: ['shared:/v'], PortBindings: { '80/tcp': [{ HostPort: '18099' }] } },
    }),
  );
  expect(made.counts).toEqual({ 201: COUNT });
  const volumes = (await (await daemon.request('GET', '/volumes')).json()) as { Volumes: { Name: string }[] };
  expect(volumes.Volumes.map(({ Name }) => Name)).toEqual(['shared']);
  const started = await atOnce('POST', (index) => `/containers/c${index}/start`);
  expect(started.counts).toEqual({ 204: 1, 500: COUNT - 1 });
  for (const { status, text } of started.answers) {
    if (status === 500) expect(text).toMatch(/18099.*(port is already allocated|address already in use)/);
  }
  const running = (await (await daemon.request('GET', '/containers/json')).json()) as { Id: string }[];
  expect(running.length).toBe(1);
  expect((await daemon.request('DELETE', '/volumes/shared')).status).toBe(409);
  const removed = await atOnce('DELETE', (index) => `/containers/c${index}?force=1`);
  expect(removed.counts).toEqual({ 204: COUNT });
  expect((await daemon.request('DELETE', '/volumes/shared')).status).toBe(204);
  expect(await daemon.ids()).toEqual([]);
  expect(daemon.traces()).toEqual([]);
}, 240_000);

/** Frozen containers, the ways of stopping, waiting, renaming and pruning. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '../support/command.ts';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const on = (signal: string, code: number) =>
  `trap "exit ${code}" ${signal}; echo ready; while :; do sleep 0.05; done`;

describe.each(CLIENTS)('%s', (client) => {
  const out = (...args: string[]) => daemon.ok(client, args);
  const fails = async (...args: string[]) => {
    const { code, stderr } = await daemon.client(client, args);
    expect({ args, failed: code !== 0 }).toEqual({ args, failed: true });
    return stderr;
  };
  const status = (name: string) => out('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name);
  const start = async (name: string, script: string, ...flags: string[]) => {
    await out('run', '-d', '--name', name, ...flags, 'busybox', 'sh', '-c', script);
    await until('it is ready', async () => (await out('logs', name)) === 'ready');
  };

  test('frozen: it does nothing until it is thawed; stopped, killed, restarted and removed frozen', async () => {
    await start('iced', on('TERM', 4));
    await out('pause', 'iced');
    expect(await fails('pause', 'iced')).toContain('is already paused');
    expect(await fails('exec', 'iced', 'true')).toContain('is paused, unpause the container before exec');
    expect(await fails('start', 'iced')).toContain('cannot start a paused container, try unpause instead');
    expect(await fails('rm', 'iced')).toMatch(/container is paused/);
    expect(await out('ps', '--filter', 'name=iced', '--format', '{{.Status}}')).toMatch(/ \(Paused\)$/);
    await out('unpause', 'iced');
    expect(await fails('unpause', 'iced')).toContain('is not paused');
    // A stop thaws it: it can still end in order.
    await out('pause', 'iced');
    await out('stop', '-t', '30', 'iced');
    expect(await status('iced')).toBe('exited 4');
    await out('start', 'iced');
    await out('pause', 'iced');
    await out('kill', 'iced');
    expect(await status('iced')).toBe('exited 137');
    await out('start', 'iced');
    await out('pause', 'iced');
    await out('restart', '-t', '0', 'iced');
    expect(await status('iced')).toBe('running 0');
    await out('pause', 'iced');
    await out('rm', '-f', 'iced');
  }, 120_000);

  test('--stop-signal and --stop-timeout, and what stop says of its own', async () => {
    await start('asked', on('USR1', 5), '--stop-signal', 'USR1', '--stop-timeout', '30');
    await out('stop', 'asked');
    expect(await status('asked')).toBe('exited 5');
    await out('rm', 'asked');
    await start('deaf', 'trap "" TERM; echo ready; while :; do sleep 0.05; done', '--stop-timeout', '1');
    await out('stop', 'deaf');
    expect(await status('deaf')).toBe('exited 137');
    await out('rm', 'deaf');
    await start('other', on('HUP', 6));
    await out('stop', '-s', 'HUP', '-t', '30', 'other');
    expect(await status('other')).toBe('exited 6');
    await out('rm', 'other');
  }, 120_000);

  test('wait: for the end, the next end, the removal; and renamed while it runs', async () => {
    await start('first', on('TERM', 7));
    const id = await out('inspect', '-f', '{{.Id}}', 'first');
    const wait = (condition: string) =>
      daemon
        .request('POST', `/containers/${id}/wait?condition=${condition}`)
        .then((answer) => answer.json() as Promise<{ StatusCode: number }>);
    const waits = ['', 'not-running', 'next-exit', 'removed'].map(wait);
    await Bun.sleep(200);
    await out('rename', 'first', 'second');
    expect(await fails('inspect', 'first')).toMatch(/no such/i);
    await out('stop', '-t', '30', 'second');
    expect(await Promise.all(waits.slice(0, 3))).toEqual(Array(3).fill({ StatusCode: 7 }));
    expect(await wait('not-running')).toEqual({ StatusCode: 7 });
    const next = wait('next-exit');
    await out('start', 'second');
    await until('it is ready', async () => (await out('logs', '-n', '1', 'second')) === 'ready');
    await out('rm', '-f', 'second');
    expect(await next).toEqual({ StatusCode: 137 });
    expect(await waits[3]).toEqual({ StatusCode: 137 });
  }, 120_000);

  test('container prune: by label and by age, and never what runs', async () => {
    await out('run', '--name', 'done', '--label', 'k=v', 'busybox', 'true');
    await out('create', '--name', 'new', 'busybox', 'true');
    await start('runs', on('TERM', 0), '--label', 'k=v');
    await out('pause', 'runs');
    const prune = async (...filters: string[]) => {
      await out('container', 'prune', '-f', ...filters.flatMap((filter) => ['--filter', filter]));
      return (await out('ps', '-a', '--format', '{{.Names}}')).split('\n').sort();
    };
    expect(await prune('until=1h')).toEqual(['done', 'new', 'runs']);
    expect(await prune('label!=k')).toEqual(['done', 'runs']);
    expect(await prune('label=k=v', 'until=1ms')).toEqual(['runs']);
    await out('rm', '-f', 'runs');
  }, 120_000);
});

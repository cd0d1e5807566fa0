/** `logs` in all its forms, by both clients, over rotation, compressing and restarts. Held against dockerd. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { until } from '../support/command.ts';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

describe.each(CLIENTS)('%s', (client) => {
  const out = (...args: string[]) => daemon.ok(client, args);

  test('--since and --until: spans, seconds with nanoseconds, RFC 3339', async () => {
    const id = await out('run', '-d', 'busybox', 'sh', '-c', 'for i in 1 2 3 4; do echo $i; sleep 0.3; done');
    await out('wait', id);
    const times = (await out('logs', '-t', id)).split('\n').map((line) => line.split(' ')[0] ?? '');
    const second = times[1] ?? '';
    expect(second).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    const unix = `${Math.floor(Date.parse(second) / 1000)}.${second.slice(20, 29)}`;
    const later = (time: string): string => {
      const [, front, nanos] = /^(.*\.)(\d{9})$/.exec(time) ?? [];
      return `${front}${String(Number(nanos) + 1).padStart(9, '0')}`;
    };
    expect(await out('logs', '--since', second, id)).toBe('2\n3\n4');
    expect(await out('logs', '--since', unix, id)).toBe('2\n3\n4');
    // A nanosecond later it is not among them.
    if (!unix.endsWith('999999999')) expect(await out('logs', '--since', later(unix), id)).toBe('3\n4');
    expect(await out('logs', '--until', unix, id)).toBe('1\n2');
    expect(await out('logs', '--since', unix, '--until', times[2] ?? '', id)).toBe('2\n3');
    expect(await out('logs', '--since', '1h', id)).toBe('1\n2\n3\n4');
    expect(await out('logs', '--until', '1h', id)).toBe('');
    expect(await out('logs', '--since', '2020-01-01', id)).toBe('1\n2\n3\n4');
    expect(await out('logs', '-n', '2', id)).toBe('3\n4');
    expect(await out('logs', '-n', '0', id)).toBe('');
    await out('rm', id);
  });

  test('--details: labels and variables that the options name, and the tag', async () => {
    const options = ['labels=role', 'labels-regex=^com', 'env=ONE', 'tag={{.Name}}'].flatMap((one) => [
      '--log-opt',
      one,
    ]);
    const facts = [
      '--label',
      'role=a b',
      '--label',
      'com.x=y',
      '--label',
      'other=z',
      '-e',
      'ONE=1',
      '-e',
      'TWO=2',
    ];
    const id = await out(
      'run',
      '-d',
      '--name',
      'detailed',
      ...options,
      ...facts,
      'busybox',
      'sh',
      '-c',
      'echo hi; printf end',
    );
    await out('wait', id);
    const prefix = 'ONE=1,com.x=y,role=a+b,tag=detailed';
    expect(await out('logs', '--details', id)).toBe(`${prefix} hi\n${prefix} end`);
    expect(await out('logs', id)).toBe('hi\nend');
    await out('rm', id);
  });

  test('a line longer than a record has a time before each of its pieces, the same one', async () => {
    const id = await out('run', '-d', 'busybox', 'sh', '-c', 'head -c 40000 /dev/zero | tr "\\0" x; echo');
    await out('wait', id);
    const text = await out('logs', '-t', id);
    const pieces = text
      .split(/x+/)
      .map((time) => time.trim())
      .filter(Boolean);
    expect(pieces).toHaveLength(3);
    expect(new Set(pieces).size).toBe(1);
    expect(await out('logs', id)).toBe('x'.repeat(40_000));
    await out('rm', id);
  });

  test('rotated and compressed files: all of it, the end of it, and a follower over them and a restart', async () => {
    const options = ['max-size=200k', 'max-file=50', 'compress=true'].flatMap((one) => ['--log-opt', one]);
    const script = 'for i in 1 2 3 4 5 6 7 8; do yes "part $i of the log" | head -n 4000; sleep 0.2; done';
    const id = await out('create', ...options, 'busybox', 'sh', '-c', script);
    const expected = [1, 2, 3, 4, 5, 6, 7, 8]
      .map((part) => `part ${part} of the log\n`.repeat(4000))
      .join('');
    await out('start', id);
    const follower = daemon.open(client, ['logs', '-f', id]);
    await out('wait', id);
    expect(await follower.exited(60_000)).toBe(0);
    expect(follower.output() === expected).toBe(true);
    if (client === 'tare') {
      const folder = dirname(await out('inspect', '-f', '{{.LogPath}}', id));
      await until('files are compressed', async () =>
        readdirSync(folder).some((name) => name.endsWith('.gz')),
      );
    }
    expect(`${await out('logs', id)}\n` === expected).toBe(true);
    expect(await out('logs', '-n', '25000', id)).toStartWith('part 2 of the log\n');
    await out('start', id);
    await out('wait', id);
    expect(`${await out('logs', id)}\n` === expected + expected).toBe(true);
    await out('rm', id);
  }, 120_000);
});

/** How a context gets to the daemon: only what has changed travels, whatever happens on the way. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
let place: string;
let context: string;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  place = mkdtempSync('/tmp/tare-context-');
}, 120_000);
afterAll(async () => {
  rmSync(place, { recursive: true, force: true });
  await daemon?.stop();
}, 120_000);
beforeEach(() => {
  context = mkdtempSync(join(place, 'context-'));
});

const TIMEOUT = 60_000;
const DOCKERFILE = 'FROM busybox\nCOPY . /all\nCMD ["find", "/all", "-type", "f"]\n';
/** Old enough that nobody can doubt its time. */
const OLD = 1_700_000_000;

function put(path: string, text: string, when = OLD): void {
  mkdirSync(join(context, path, '..'), { recursive: true });
  writeFileSync(join(context, path), text);
  utimesSync(join(context, path), when, when);
}

/** Builds, and gives what was sent as it is told. */
async function sent(tag: string): Promise<string> {
  const said = await daemon.ok('tare', ['build', '-t', tag, context]);
  return /^Sending build context to Tare daemon +(\S+)/.exec(said)?.[1] ?? said;
}

const output = (image: string, ...command: string[]) => daemon.ok('tare', ['run', '--rm', image, ...command]);

test(
  'of the second build only what has changed travels, and the image is as if all had',
  async () => {
    put('Dockerfile', DOCKERFILE);
    put('.dockerignore', 'Dockerfile\n.dockerignore\n');
    put('deep/a', 'a'.repeat(1000));
    put('deep/b', 'b'.repeat(1000));
    put('gone', 'gone');
    symlinkSync('deep/a', join(context, 'link'));
    expect(await sent('x')).toBe('2.004kB');
    expect(await sent('x')).toBe('0B');

    put('deep/b', 'B'.repeat(500), OLD + 1);
    rmSync(join(context, 'gone'));
    rmSync(join(context, 'link'));
    symlinkSync('deep/b', join(context, 'link'));
    expect(await sent('x')).toBe('500B');
    expect((await output('x')).split('\n').sort()).toEqual(['/all/deep/a', '/all/deep/b']);
    expect(await output('x', 'cat', '/all/link')).toBe('B'.repeat(500));

    // Touched, and another mode: known by its digest.
    utimesSync(join(context, 'deep/a'), OLD + 2, OLD + 2);
    chmodSync(join(context, 'deep/a'), 0o751);
    expect(await sent('x')).toBe('0B');
    expect(await output('x', 'stat', '-c', '%a', '/all/deep/a')).toBe('751');

    // The same size and time, and yet another file.
    put('deep/a', 'A'.repeat(1000), OLD + 2);
    expect(await sent('x')).toBe('1kB');
    expect(await output('x', 'cat', '/all/deep/a')).toBe('A'.repeat(1000));

    // What the ignore file lets in now, and a file in a directory's place.
    put('.dockerignore', '.dockerignore\n');
    rmSync(join(context, 'deep'), { recursive: true });
    put('deep', 'flat');
    expect(await sent('x')).toBe(`${DOCKERFILE.length + 4}B`);
    expect((await output('x')).split('\n').sort()).toEqual(['/all/Dockerfile', '/all/deep']);
  },
  TIMEOUT,
);

test(
  'two builds of one directory at once both get what they saw',
  async () => {
    put('Dockerfile', 'FROM busybox\nCOPY f /f\nRUN sleep 1\nCMD ["cat", "/f"]\n');
    put('f', 'one');
    const first = daemon.open('tare', ['build', '--no-cache', '-t', 'one', context]);
    await first.waitFor('Sending build context');
    put('f', 'two', OLD + 1);
    const second = await daemon.tare('build', '--no-cache', '-t', 'two', context);
    expect(second.code).toBe(0);
    expect(await first.exited()).toBe(0);
    expect([await output('one'), await output('two')]).toEqual(['one', 'two']);
  },
  TIMEOUT,
);

test(
  'a file that grows while it is read is sent again',
  async () => {
    put('Dockerfile', DOCKERFILE);
    put('log', 'x'.repeat(5_000_000));
    const writer = setInterval(() => appendFileSync(join(context, 'log'), 'y'.repeat(10_000)), 1);
    try {
      for (let i = 0; i < 2; i++) await sent('growing');
    } finally {
      clearInterval(writer);
    }
    await sent('growing');
    const size = Bun.file(join(context, 'log')).size;
    expect(await output('growing', 'stat', '-c', '%s', '/all/log')).toBe(String(size));
  },
  TIMEOUT,
);

test(
  'kill -9 of the daemon while a context is there: the next build has it whole',
  async () => {
    put('Dockerfile', 'FROM busybox\nCOPY f /f\nRUN sleep 1000\n');
    put('f', 'content');
    const client = daemon.open('tare', ['build', '-t', 'never', context]);
    await client.waitFor('Running in');
    await daemon.kill9();
    expect(await client.exited()).not.toBe(0);
    await daemon.start();
    put('Dockerfile', 'FROM busybox\nCOPY f /f\nCMD ["cat", "/f"]\n');
    await sent('whole');
    expect(await output('whole')).toBe('content');
    await until('nothing of the step is left', async () => (await daemon.ok('tare', ['ps', '-aq'])) === '');
  },
  TIMEOUT,
);

test(
  'what a client leaves undone or does wrong is refused',
  async () => {
    const status = async (path: string, body: unknown): Promise<[number, string]> => {
      const answer = await daemon.request('POST', path, body, { 'content-type': 'application/x-ndjson' });
      return [answer.status, ((await answer.json()) as { message: string }).message];
    };
    const entry = {
      mode: 0o100644,
      uid: 0,
      gid: 0,
      size: 1,
      seconds: 1,
      nanoseconds: 0,
      mark: '',
      link: '',
      major: 0,
      minor: 0,
    };
    const announced = (path: string): string => `${JSON.stringify([{ ...entry, path }])}\n`;
    expect(await status('/tare/build/contexts?key=k', announced('../../etc/passwd'))).toEqual([
      400,
      'invalid path in the context: "../../etc/passwd"',
    ]);
    expect(await status('/tare/build/contexts?key=k', '{"no":"array"}\n')).toEqual([
      400,
      'invalid entries of a build context',
    ]);
    const { Id } = (await (
      await daemon.request('POST', '/tare/build/contexts?key=k', announced('f'))
    ).json()) as { Id: string };
    expect(await status(`/tare/build/files?id=${Id}`, new Uint8Array([9, 9, 9, 9, 9, 9, 9, 9, 9]))).toEqual([
      500,
      'the files of a build context came damaged: build again',
    ]);
    expect(await status(`/tare/build/files?id=${Id}`, '')).toEqual([404, `No such build context: ${Id}`]);
    expect(await status('/build?tarerequest=none', '')).toEqual([404, 'No such build request: none']);
  },
  TIMEOUT,
);

/** `build` by both clients against a daemon: what goes in, what is said, what comes out. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, until } from '../support/command.ts';
import { type Client, REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
let place: string;
let server: Bun.Subprocess | undefined;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  place = mkdtempSync('/tmp/tare-build-');
}, 120_000);
afterAll(async () => {
  server?.kill();
  await server?.exited;
  rmSync(place, { recursive: true, force: true });
  await daemon?.stop();
}, 120_000);

let context: string;
beforeEach(() => {
  context = mkdtempSync(join(place, 'context-'));
});

const TIMEOUT = 60_000;
const CLIENTS: readonly Client[] = ['tare', 'docker'];
/** Stock docker builds with what the classic API carries. */
const env = { DOCKER_BUILDKIT: '0' };

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(context, path, '..'), { recursive: true });
    writeFileSync(join(context, path), text);
  }
}

const build = (client: Client, args: readonly string[], input?: string | Uint8Array) =>
  daemon.client(client, ['build', ...args], { env, cwd: context, ...(input === undefined ? {} : { input }) });

async function built(client: Client, args: readonly string[], input?: string | Uint8Array): Promise<string> {
  const { code, stdout, stderr } = await build(client, args, input);
  if (code !== 0)
    throw new Error(`${client} build ${args.join(' ')}: ${code}\n${stdout}\n${stderr}\n${daemon.log()}`);
  return stdout;
}

const output = (image: string, ...command: string[]) => daemon.ok('tare', ['run', '--rm', image, ...command]);

describe.each(CLIENTS)('%s build', (client) => {
  test(
    'says what the classic builder says, and the image runs',
    async () => {
      write({
        Dockerfile:
          'FROM busybox\nARG WHO=nobody\nCOPY . /app\nRUN echo "hello $WHO" >/greeting\nCMD ["cat", "/greeting"]\n',
        'dir/file': 'content',
      });
      const said = await built(client, [
        '-t',
        `${client}:first`,
        '-t',
        `${client}:second`,
        '--build-arg',
        `WHO=${client}`,
        '--label',
        'a=b',
        '.',
      ]);
      expect(said).toMatch(/^Sending build context to (Tare|Docker) daemon +[\d.]+k?B/);
      expect(said).toMatch(/\nStep 1\/6 : FROM busybox\n ---> [0-9a-f]{12}\nStep 2\/6 : ARG WHO=nobody\n/);
      expect(said).toMatch(
        new RegExp(
          `\\nSuccessfully built [0-9a-f]{12}\\nSuccessfully tagged ${client}:first\\nSuccessfully tagged ${client}:second\\n$`,
        ),
      );
      expect(await output(`${client}:second`)).toBe(`hello ${client}`);
      expect(await output(`${client}:first`, 'cat', '/app/dir/file')).toBe('content');
      expect(await daemon.ok('tare', ['inspect', '-f', '{{.Config.Labels.a}}', `${client}:first`])).toBe('b');
    },
    TIMEOUT,
  );

  test(
    '--iidfile and --quiet give the id',
    async () => {
      write({ Dockerfile: 'FROM busybox\nENV A=1\n' });
      await built(client, ['--iidfile', 'iid', '.']);
      const id = readFileSync(join(context, 'iid'), 'utf8');
      expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(await daemon.ok('tare', ['inspect', '-f', '{{.Id}}', id])).toBe(id);
      // The id file would make another context of it.
      rmSync(join(context, 'iid'));
      expect(await built(client, ['-q', '.'])).toBe(`${id}\n`);
    },
    TIMEOUT,
  );

  test(
    'Dockerfiles from stdin and from elsewhere, contexts from stdin',
    async () => {
      write({ Dockerfile: 'FROM busybox\nCOPY file /f\nCMD ["cat", "/f"]\n', file: 'inside' });
      const other = join(place, `${client}.Dockerfile`);
      writeFileSync(other, 'FROM busybox\nCOPY . /all\nCMD ["ls", "-A", "/all"]\n');
      await built(client, ['-t', 'x', '-f', '-', '.'], readFileSync(other));
      expect(await output('x')).toBe('Dockerfile\nfile');
      await built(client, ['-t', 'x', '-f', other, '.']);
      expect(await output('x')).toBe('Dockerfile\nfile');
      await built(client, ['-t', 'x', '-'], 'FROM busybox\nCMD ["echo", "no context"]\n');
      expect(await output('x')).toBe('no context');
      await must(['tar', '-czf', `${place}/context.tgz`, '-C', context, '.']);
      await built(client, ['-t', 'x', '-'], readFileSync(`${place}/context.tgz`));
      expect(await output('x')).toBe('inside');
    },
    TIMEOUT,
  );

  test(
    'what the ignore file names stays out',
    async () => {
      write({
        Dockerfile: 'FROM busybox\nCOPY . /all\nCMD ["find", "/all", "-type", "f"]\n',
        '.dockerignore': '# not these\n*.log\n!keep.log\nDockerfile\n.dockerignore\ndir\n!dir/kept\n',
        'a.log': '',
        'keep.log': '',
        'dir/kept': '',
        'dir/dropped': '',
        'deep/a.log': '',
      });
      await built(client, ['-t', 'x', '.']);
      expect((await output('x')).split('\n').sort()).toEqual([
        '/all/deep/a.log',
        '/all/dir/kept',
        '/all/keep.log',
      ]);
    },
    TIMEOUT,
  );

  test(
    'a step that fails ends the build, and nothing is tagged',
    async () => {
      write({ Dockerfile: 'FROM busybox\nRUN echo said before && exit 3\n' });
      const { code, stdout, stderr } = await build(client, ['-t', 'never', '.']);
      expect(stdout).toContain('said before\n');
      expect(stderr).toContain(
        "The command '/bin/sh -c echo said before && exit 3' returned a non-zero code: 3",
      );
      // Docker's client ends with the step's code.
      expect(code).toBe(client === 'docker' || REFERENCE ? 3 : 1);
      expect((await daemon.tare('inspect', 'never')).code).toBe(1);
      // Docker keeps the container of the step.
      if (!REFERENCE) expect(await daemon.ok('tare', ['ps', '-aq'])).toBe('');
    },
    TIMEOUT,
  );

  test(
    'a Dockerfile that is wrong, one that is missing',
    async () => {
      const missing = await build(client, ['.']);
      expect(missing).toMatchObject({ code: 1 });
      expect(missing.stderr).toContain('unable to evaluate symlinks in Dockerfile path');
      write({ Dockerfile: 'FROM busybox\nRUM true\n' });
      const wrong = await build(client, ['.']);
      expect(wrong.code).toBe(1);
      expect(wrong.stderr.toLowerCase()).toContain('unknown instruction: rum');
    },
    TIMEOUT,
  );

  test(
    'a stage by its name',
    async () => {
      write({
        Dockerfile:
          'FROM busybox AS one\nRUN echo one >/stage\nFROM busybox AS two\nRUN echo two >/stage\nFROM one\nCOPY --from=two /stage /other\n',
      });
      await built(client, ['-t', 'x', '--target', 'two', '.']);
      expect(await output('x', 'cat', '/stage')).toBe('two');
      await built(client, ['-t', 'x', '.']);
      expect(await output('x', 'cat', '/stage', '/other')).toBe('one\ntwo');
    },
    TIMEOUT,
  );
});

test(
  'both clients send the same: the second build is the first one’s cache',
  async () => {
    write({
      Dockerfile: 'FROM busybox\nCOPY . /all\nRUN true\n',
      'dir/script': '#!/bin/sh\n',
      '.dockerignore': 'none\n',
    });
    await must(['chmod', '750', 'dir/script'], { cwd: context });
    symlinkSync('script', join(context, 'dir/link'));
    await built('docker', ['-t', 'by-docker', '.']);
    const said = await built('tare', ['-t', 'by-tare', '.']);
    expect(said.match(/Using cache/g)).toHaveLength(2);
    const id = (name: string) => daemon.ok('tare', ['inspect', '-f', '{{.Id}}', name]);
    expect(await id('by-tare')).toBe(await id('by-docker'));
    const listed = await output('by-tare', 'stat', '-c', '%a %u:%g', '/all/dir/script');
    expect(listed).toBe('750 0:0');
    const again = await built('tare', ['--no-cache', '.']);
    expect(again).not.toContain('Using cache');
  },
  TIMEOUT,
);

// Docker's client fetches it itself, from where the test is.
test.skipIf(REFERENCE)(
  'an address is fetched by the daemon',
  async () => {
    write({
      'site/Dockerfile': 'FROM busybox\nCMD ["echo", "fetched"]\n',
      'tree/Dockerfile': 'FROM busybox\nCOPY f /\nCMD ["cat", "/f"]\n',
      'tree/f': 'in a tar',
    });
    await must(['tar', '-czf', 'site/context.tar.gz', '-C', 'tree', '.'], { cwd: context });
    const argv = [
      'nsenter',
      `--net=/run/netns/${daemon.bridge}`,
      '--',
      'busybox',
      'httpd',
      '-f',
      '-p',
      '127.0.0.1:8099',
    ];
    server = Bun.spawn([...argv, '-h', join(context, 'site')], { stdin: 'ignore' });
    const address = 'http://127.0.0.1:8099';
    for (let left = 100; left > 0; left--) {
      if (
        (await daemon.inNetwork(['busybox', 'wget', '-q', '-O', '/dev/null', `${address}/Dockerfile`]))
          .code === 0
      )
        break;
      await Bun.sleep(50);
    }
    await built('tare', ['-t', 'x', `${address}/Dockerfile`]);
    expect(await output('x')).toBe('fetched');
    await built('tare', ['-t', 'x', `${address}/context.tar.gz`]);
    expect(await output('x')).toBe('in a tar');
  },
  TIMEOUT,
);

describe.skipIf(REFERENCE)('tare alone', () => {
  test(
    'the Dockerfile’s own ignore file counts in place of the other',
    async () => {
      write({
        'sub/own': 'FROM busybox\nCOPY . /all\nCMD ["find", "/all", "-type", "f"]\n',
        'sub/own.dockerignore': 'b\nsub\n',
        '.dockerignore': 'a\n',
        a: '',
        b: '',
      });
      await built('tare', ['-t', 'x', '-f', 'sub/own', '.']);
      // The other ignore file is a file like any other then, as for BuildKit.
      expect((await output('x')).split('\n').sort()).toEqual(['/all/.dockerignore', '/all/a']);
    },
    TIMEOUT,
  );

  test(
    'the files of the result in a folder, in a tar, the image in an archive',
    async () => {
      write({ Dockerfile: 'FROM scratch\nCOPY dir /dir\n', 'dir/file': 'content' });
      await must(['chmod', '640', 'dir/file'], { cwd: context });
      const flags = ['-o', `${place}/out`, '-o', `type=tar,dest=${place}/out.tar`];
      await built('tare', ['-t', 'archived', ...flags, '-o', `type=docker,dest=${place}/image.tar`, '.']);
      expect(readFileSync(`${place}/out/dir/file`, 'utf8')).toBe('content');
      expect(statSync(`${place}/out/dir/file`).mode & 0o7777).toBe(0o640);
      expect(await must(['tar', '-tf', `${place}/out.tar`])).toBe('dir/\ndir/file');
      expect(await must(['tar', '-xOf', `${place}/image.tar`, 'manifest.json'])).toContain('archived:latest');
      expect(await daemon.ok('tare', ['image', 'mount', '-q'])).toBe('');
    },
    TIMEOUT,
  );

  test(
    'a terminal shows a tree of steps',
    async () => {
      write({ Dockerfile: 'FROM busybox\nRUN echo while it runs; sleep 1\n' });
      const first = daemon.terminal('tare', ['build', context]);
      await first.exited(TIMEOUT);
      expect(first.output()).toContain(' │ while it runs');
      expect(first.output()).toMatch(/ ✓ \[2\/2\] RUN echo while it runs; sleep 1 +\d+\.\ds/);
      const second = daemon.terminal('tare', ['build', context]);
      await second.exited(TIMEOUT);
      expect(second.output()).toMatch(/ ✓ \[2\/2\] RUN echo while it runs; sleep 1 +cached/);
    },
    TIMEOUT,
  );

  test(
    'a client that goes away ends the build: no container stays, nothing is tagged',
    async () => {
      write({ Dockerfile: 'FROM busybox\nRUN sleep 1000\n' });
      const client = daemon.open('tare', ['build', '-t', 'unfinished', context]);
      await client.waitFor('Running in');
      await until('the step runs', async () => (await daemon.ok('tare', ['ps', '-q'])) !== '');
      client.signal('SIGINT');
      await until('the container is gone', async () => (await daemon.ok('tare', ['ps', '-aq'])) === '');
      expect((await daemon.tare('inspect', 'unfinished')).code).toBe(1);
    },
    TIMEOUT,
  );

  test(
    'Ctrl-C on a terminal ends the build, says so, and leaves the terminal as it was',
    async () => {
      write({ Dockerfile: 'FROM busybox\nRUN echo it runs; sleep 1000\n' });
      const terminal = daemon.terminal('tare', ['build', '-t', 'unfinished', context], {
        columns: 60,
        rows: 10,
      });
      await until('the step runs', async () => terminal.output().includes('│ it runs'));
      terminal.write('\x03');
      expect(await terminal.exited(TIMEOUT)).toBe(130);
      expect(Bun.stripANSI(terminal.output()).replaceAll('\r', '')).toMatch(
        / - \[2\/2\] RUN echo it runs; sleep 1000 +stopped\nCancelled: nothing was tagged\n$/,
      );
      // No mode of the terminal was changed: nothing has to be put back.
      expect(terminal.output()).not.toContain('\x1b[?');
      await until('the container is gone', async () => (await daemon.ok('tare', ['ps', '-aq'])) === '');
    },
    TIMEOUT,
  );

  test(
    'after builder prune there is no cache',
    async () => {
      write({ Dockerfile: 'FROM busybox\nRUN echo pruned >/f\n' });
      await built('tare', ['.']);
      expect(await built('tare', ['.'])).toContain('Using cache');
      expect(await daemon.ok('tare', ['builder', 'prune', '-af'])).toContain('Total reclaimed space: ');
      expect(await built('tare', ['.'])).not.toContain('Using cache');
    },
    TIMEOUT,
  );
});

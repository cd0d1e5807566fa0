// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have it
/** What a build does side by side, what RUN mounts, what stays of it, and what stays of one that was cut off. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { makeSmallDisk } from '../support/small-disk.ts';

let daemon: TestDaemon;
let place: string;
let count = 0;
beforeAll(async () => {
  place = mkdtempSync('/tmp/tare-graph-');
  daemon = await startDaemon();
}, 120_000);
afterAll(async () => {
  try {
    await daemon?.stop();
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}, 60_000);

const TIMEOUT = 90_000;

function context(lines: readonly string[], files: Readonly<Record<string, string>> = {}): string {
  const directory = join(place, `c${++count}`);
  mkdirSync(directory);
  for (const [name, text] of Object.entries({ Dockerfile: `${lines.join('\n')}\n`, ...files })) {
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

const build = (directory: string, ...args: string[]) =>
  daemon.client('tare', ['build', ...args, directory], { timeout: TIMEOUT });

async function built(directory: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await build(directory, ...args);
  if (code !== 0) throw new Error(`${stdout}\n${stderr}`);
  return stdout + stderr;
}

const says = (image: string, script: string) =>
  daemon.ok('tare', ['run', '--rm', '--net=none', '--entrypoint', 'sh', image, '-c', script]);

/** Waits in a step until another one has been there. */
const meets = (own: string, other: string): string =>
  `RUN --mount=type=cache,id=meet${count},target=/c touch /c/${own}; until [ -e /c/${other} ]; do sleep 0.1; done`;

describe('side by side', () => {
  test(
    'stages that need each other’s presence are both under way',
    async () => {
      const lines = ['FROM busybox AS a', meets('a', 'b'), 'RUN echo a > /a'];
      lines.push('FROM busybox AS b', meets('b', 'a'), 'RUN echo b > /b');
      lines.push('FROM busybox', 'COPY --from=a /a /', 'COPY --from=b /b /');
      await built(context(lines), '-t', 'both');
      expect(await says('both', 'cat /a /b')).toBe('a\nb');
    },
    TIMEOUT,
  );

  test(
    'one of three that fails stops the others; nothing is tagged, nothing stays',
    async () => {
      const cache = `RUN --mount=type=cache,id=fail${count},target=/c`;
      const lines = ['FROM busybox AS a', `${cache} touch /c/a; sleep 1000`];
      lines.push('FROM busybox AS b', `${cache} touch /c/b; sleep 1000`);
      lines.push('FROM busybox AS c', `${cache} until [ -e /c/a -a -e /c/b ]; do sleep 0.1; done; exit 3`);
      lines.push('FROM busybox', 'COPY --from=a /x /', 'COPY --from=b /x /', 'COPY --from=c /x /');
      const { code, stdout, stderr } = await build(context(lines), '-t', 'never');
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain('returned a non-zero code: 3');
      expect(stdout + stderr).toContain('Dockerfile:6');
      expect(await daemon.ok('tare', ['ps', '-aq'])).toBe('');
      expect(await daemon.ok('tare', ['images', '-q', 'never'])).toBe('');
    },
    TIMEOUT,
  );

  test(
    'a locked cache is one step’s at a time',
    async () => {
      const run = (own: string) =>
        `RUN --mount=type=cache,id=lock,sharing=locked,target=/c mkdir /c/held && sleep 0.5 && rmdir /c/held && touch /${own}`;
      const lines = ['FROM busybox AS a', run('a'), 'FROM busybox AS b', run('b')];
      lines.push('FROM busybox', 'COPY --from=a /a /', 'COPY --from=b /b /');
      await built(context(lines));
    },
    TIMEOUT,
  );
});

describe('mounts of RUN', () => {
  test(
    'secrets as files and variables, and nowhere else',
    async () => {
      const value = `secret-${crypto.randomUUID()}`;
      writeFileSync(join(place, 'value'), value);
      const directory = context([
        'FROM busybox',
        'RUN --mount=type=secret,id=s stat -c "%a %u" /run/secrets/s > /mode && test -s /run/secrets/s',
        'RUN --mount=type=secret,id=s,target=/t,mode=0444,uid=5 stat -c "%a %u" /t >> /mode',
        'RUN --mount=type=secret,id=s,env=VALUE test ${#VALUE} = 43 && test -n "$VALUE"',
        'RUN --mount=type=secret,id=missing test ! -e /run/secrets/missing',
        'RUN ls -A /run /t > /left 2>/dev/null; true',
      ]);
      await built(directory, '-t', 'secrets', '--secret', `id=s,src=${join(place, 'value')}`);
      expect(await says('secrets', 'cat /mode /left')).toBe('400 0\n444 5');
      const found = await daemon.inNetwork(['grep', '-rlF', value, daemon.dataRoot]);
      expect(found.stdout).toBe('');
      const missing = context(['FROM busybox', 'RUN --mount=type=secret,id=no,required=true true']);
      expect((await build(missing)).stderr).toContain('secret no: not found');
    },
    TIMEOUT,
  );

  test(
    'an ssh agent’s socket',
    async () => {
      const path = join(place, 'agent');
      const agent = Bun.listen({ unix: path, socket: { data() {} } });
      try {
        const directory = context(['FROM busybox', 'RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"']);
        await built(directory, '--ssh', `default=${path}`);
      } finally {
        agent.stop(true);
      }
    },
    TIMEOUT,
  );

  test(
    'what is written into a writable bind goes with the step; a script is a file of its own',
    async () => {
      const lines = [
        'FROM busybox',
        'RUN --mount=type=bind,target=/src,rw echo changed > /src/f && cp /src/f /f',
      ];
      lines.push('RUN --mount=type=bind,target=/src cat /src/f >> /f');
      lines.push('RUN <<EOF', '#!/bin/cat', 'EOF');
      await built(context(lines, { f: 'kept\n' }), '-t', 'writable');
      expect(await says('writable', 'cat /f; test ! -e /src')).toBe('changed\nkept');
    },
    TIMEOUT,
  );
});

describe('what stays', () => {
  test(
    '150 layers are one image; pruning leaves what images have',
    async () => {
      const lines = ['FROM busybox', ...Array.from({ length: 150 }, (_, index) => `WORKDIR /d/${index}`)];
      const directory = context([...lines, 'RUN ls /d | wc -l > /count']);
      await built(directory, '-t', 'deep');
      expect(await says('deep', 'cat /count')).toBe('150');
      expect((await built(directory)).match(/Using cache|CACHED/g)?.length).toBeGreaterThan(100);
      await daemon.ok('tare', ['builder', 'prune', '-af']);
      expect(await says('deep', 'cat /count')).toBe('150');
      await daemon.ok('tare', ['rmi', 'deep']);
    },
    TIMEOUT,
  );

  test(
    'COPY cut off by kill -9 leaves neither layer nor snapshot nor mount',
    async () => {
      const directory = context(['FROM busybox', 'COPY . /all', 'RUN sleep 1000']);
      for (let index = 0; index < 200; index++) {
        writeFileSync(join(directory, `f${index}`), Buffer.alloc(100_000, index));
      }
      const client = daemon.open('tare', ['build', directory]);
      await Bun.sleep(400);
      await daemon.kill9();
      client.signal('SIGKILL');
      await daemon.start();
      await until('no container is left', async () => (await daemon.ids()).length === 0);
      await until('no process is left', async () =>
        daemon.traces().every((trace) => !trace.startsWith('process ')),
      );
      const storage = await must(['find', daemon.dataRoot, '-maxdepth', '3', '-name', 'build-*']);
      expect(storage).toBe('');
      expect(readdirSync(join(daemon.dataRoot, 'build', 'contexts'))).toEqual([]);
      expect(await daemon.ok('tare', ['system', 'check'])).not.toContain('damaged');
    },
    TIMEOUT,
  );
});

test(
  'a full disk ends the step and says so; nothing of it stays, and there is room again',
  async () => {
    const disk = await makeSmallDisk('120M');
    try {
      const small = await startDaemon({ dataRoot: disk.place });
      try {
        const used = async () => Number((await must(['du', '-s', '-m', disk.place])).split('\t')[0]);
        const before = await used();
        const copies = context(['FROM busybox', 'COPY . /all']);
        writeFileSync(join(copies, 'f'), Buffer.alloc(70_000_000, 1));
        const runs = context(['FROM busybox', 'RUN dd if=/dev/zero of=/f bs=1M count=130']);
        for (const directory of [copies, runs]) {
          const { code, stdout, stderr } = await small.client('tare', ['build', '-t', 'full', directory], {
            timeout: TIMEOUT,
          });
          expect(code).not.toBe(0);
          expect(stdout + stderr).toMatch(/no space left on device/i);
          await small.ok('tare', ['builder', 'prune', '-af']);
          await until('there is room again', async () => (await used()) <= before + 5);
        }
        expect(await small.ok('tare', ['images', '-q', 'full'])).toBe('');
        expect(await small.ok('tare', ['ps', '-aq'])).toBe('');
      } finally {
        await small.stop();
      }
    } finally {
      await disk.remove();
    }
  },
  TIMEOUT,
);

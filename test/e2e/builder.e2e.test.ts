// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have it
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { must, type Outcome, type Running, start, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

/** Dockerfiles built through the API by the stock client's classic builder: what each instruction does. */

let daemon: TestDaemon;
let place: string;
let count = 0;

beforeAll(async () => {
  place = mkdtempSync('/tmp/tare-builder-');
  daemon = await startDaemon();
}, 120_000);
afterAll(async () => {
  try {
    await daemon?.stop();
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}, 60_000);

type Content = string | { readonly link: string } | { readonly mode: number; readonly text: string };
type Files = Readonly<Record<string, Content>>;

/** A new directory with these files. */
function context(dockerfile: string, files: Files = {}): string {
  const directory = join(place, `c${++count}`);
  for (const [name, content] of Object.entries<Content>({ Dockerfile: dockerfile, ...files })) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === 'string') writeFileSync(path, content);
    else if ('link' in content) symlinkSync(content.link, path);
    else {
      writeFileSync(path, content.text);
      chmodSync(path, content.mode);
    }
  }
  return directory;
}

const classic = { env: { DOCKER_BUILDKIT: '0' }, timeout: 60_000 };

function build(directory: string, ...args: string[]): Promise<Outcome> {
  return daemon.client('docker', ['build', ...args, directory], classic);
}

function openClassic(args: readonly string[]): Running {
  return start(daemon.argvOf('docker', args), { env: { ...daemon.env(), ...classic.env } });
}

/** Of containers; mounts of layers stay until the daemon ends, which is looked at then. */
const processes = (): string[] => daemon.traces().filter((trace) => trace.startsWith('process '));

/** Builds and gives the image's name and what the client wrote. */
async function built(directory: string, ...args: string[]): Promise<{ image: string; output: string }> {
  const image = `built:${++count}`;
  const output = await daemon.ok('docker', ['build', '-t', image, ...args, directory], classic);
  return { image, output };
}

async function configOf(image: string): Promise<Record<string, unknown>> {
  return JSON.parse(await daemon.ok('docker', ['inspect', '-f', '{{json .Config}}', image]));
}

/** What a shell says in a container of the image. */
function says(image: string, script: string): Promise<string> {
  return daemon.ok('docker', ['run', '--rm', '--entrypoint', 'sh', image, '-c', script]);
}

/** Builds and gives what a shell says there. */
async function buildAndSay(dockerfile: string, files: Files, script: string): Promise<string> {
  return says((await built(context(dockerfile, files))).image, script);
}

const lines = (...all: string[]): string => all.join('\n');
const from = (...rest: string[]): string => ['FROM busybox', ...rest, ''].join('\n');

describe('instructions that change the configuration', () => {
  test('all of them at once', async () => {
    const file = lines(
      'ARG BASE=busybox',
      'FROM ${BASE}',
      'MAINTAINER someone <a@b>',
      'ARG NAME=world',
      'ENV GREETING="hello ${NAME}" OTHER=a\\ b',
      'ENV OLD form with blanks',
      'LABEL one=1 two="a b"',
      'EXPOSE 80 53/udp 1000-1001',
      'STOPSIGNAL SIGUSR1',
      'VOLUME ["/data", "/more"]',
      'USER 1000:1000',
      'WORKDIR /srv',
      'WORKDIR app',
      'SHELL ["/bin/sh", "-ec"]',
      'HEALTHCHECK --interval=5s --retries=2 CMD test -e /x',
      'ONBUILD RUN echo later',
      'ENTRYPOINT ["echo", "$NAME"]',
      'CMD done now',
      '',
    );
    const { image } = await built(context(file));
    expect(await configOf(image)).toMatchObject({
      Env: expect.arrayContaining(['GREETING=hello world', 'OTHER=a b', 'OLD=form with blanks']),
      Labels: { one: '1', two: 'a b' },
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '1000/tcp': {}, '1001/tcp': {} },
      StopSignal: 'SIGUSR1',
      Volumes: { '/data': {}, '/more': {} },
      User: '1000:1000',
      WorkingDir: '/srv/app',
      Shell: ['/bin/sh', '-ec'],
      Healthcheck: { Test: ['CMD-SHELL', 'test -e /x'], Interval: 5_000_000_000, Retries: 2 },
      OnBuild: ['RUN echo later'],
      Entrypoint: ['echo', '$NAME'],
      Cmd: ['/bin/sh', '-ec', 'done now'],
    });
    expect(await daemon.ok('docker', ['inspect', '-f', '{{.Author}}', image])).toBe('someone <a@b>');
  }, 60_000);

  test('PATH is there to add to, also where the base has none', async () => {
    const usual = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const { image: more } = await built(context(from('ENV PATH $PATH:/more', 'RUN ls /')));
    expect((await configOf(more)).Env).toEqual([`${usual}:/more`]);
    const { image: scratch } = await built(context('FROM scratch\nCOPY f /f\n', { f: 'file' }));
    expect((await configOf(scratch)).Env).toEqual([usual]);
  }, 60_000);

  test('ENTRYPOINT drops the base image’s CMD, not its own', async () => {
    const { image: plain } = await built(context(from('ENTRYPOINT ["a"]')));
    expect(await configOf(plain)).toMatchObject({ Entrypoint: ['a'] });
    expect((await configOf(plain)).Cmd ?? null).toBeNull();
    const { image: own } = await built(context(from('CMD ["b"]', 'ENTRYPOINT ["a"]')));
    expect(await configOf(own)).toMatchObject({ Entrypoint: ['a'], Cmd: ['b'] });
  }, 60_000);

  test('ONBUILD is done by the image that builds on it, and not again', async () => {
    await built(context(from('ONBUILD RUN echo triggered > /t', 'ONBUILD COPY f /f')), '-t', 'trigger');
    const { image } = await built(context('FROM trigger\nRUN cat /t /f > /both\n', { f: 'file\n' }));
    expect(await says(image, 'cat /both')).toBe('triggered\nfile');
    expect((await configOf(image)).OnBuild ?? null).toBeNull();
  }, 60_000);
});

describe('RUN', () => {
  test('shell form, exec form, documents, SHELL, ARG before ENV', async () => {
    const file = from(
      'ARG A=arg',
      'RUN echo "$A" > /shell',
      'RUN ["/bin/sh", "-c", "echo exec > /exec"]',
      'RUN <<EOF',
      'echo one $A > /script',
      'echo two >> /script',
      'EOF',
      'RUN cat <<EOF > /inner',
      'inner $A',
      'EOF',
      'SHELL ["/bin/sh", "-c", "echo shell $0 > /own"]',
      'RUN me',
    );
    expect(await buildAndSay(file, {}, 'cat /shell /exec /script /inner /own')).toBe(
      lines('arg', 'exec', 'one arg', 'two', 'inner arg', 'shell me'),
    );
  }, 60_000);

  test('mounts: bind of context and stage, cache, tmpfs; none of them stays', async () => {
    const file = lines(
      'FROM busybox AS one',
      'RUN echo from-stage > /made',
      'FROM busybox',
      'RUN --mount=type=bind,target=/ctx cat /ctx/f > /a',
      'RUN --mount=type=bind,from=one,source=/made,target=/m cat /m > /b',
      'RUN --mount=type=cache,target=/c echo kept > /c/x',
      'RUN --mount=type=cache,target=/c cat /c/x > /cached',
      'RUN --mount=type=tmpfs,target=/t grep " /t tmpfs" /proc/mounts && touch /t/x',
      'RUN ls -A /ctx /c /t > /left 2>&1; true',
      '',
    );
    expect(await buildAndSay(file, { f: 'context\n' }, 'cat /a /b /cached; ! grep -E "^(f|x)$" /left')).toBe(
      lines('context', 'from-stage', 'kept'),
    );
  }, 60_000);

  test('--network=none has no interface but lo', async () => {
    const file = from('RUN --network=none ls /sys/class/net > /n');
    expect(await buildAndSay(file, {}, 'cat /n')).toBe('lo');
  }, 60_000);
});

const SHOW = 'cd /d && find . -type f -o -type l | sort';

describe('COPY', () => {
  const copies: Array<[what: string, rest: string[], files: Files, script: string, expected: string]> = [
    ['a file to a name', ['COPY a /d/b'], { a: '' }, SHOW, './b'],
    ['a file into a directory that is made', ['COPY a /d/x/'], { a: '' }, SHOW, './x/a'],
    ['a file into a directory that is there', ['RUN mkdir -p /d/x', 'COPY a /d/x'], { a: '' }, SHOW, './x/a'],
    ['what is in a directory', ['COPY dir /d'], { 'dir/a': '', 'dir/s/b': '' }, SHOW, './a\n./s/b'],
    ['below WORKDIR', ['WORKDIR /d', 'COPY a .'], { a: '' }, SHOW, './a'],
    ['several', ['COPY a b /d/'], { a: '', b: '' }, SHOW, './a\n./b'],
    [
      'by pattern',
      ['COPY *.txt s/?.md /d/'],
      { 'a.txt': '', 'b.c': '', 's/x.md': '', 's/yy.md': '' },
      SHOW,
      './a.txt\n./x.md',
    ],
    ['JSON form with blanks', ['COPY ["a b", "/d/c d"]'], { 'a b': '' }, SHOW, './c d'],
    ['--parents', ['COPY --parents x/y/a /d/'], { 'x/y/a': '' }, SHOW, './x/y/a'],
    [
      '--exclude',
      ['COPY --exclude=*.md . /d/'],
      { a: '', 'b.md': '', '.dockerignore': 'Dockerfile\n.dockerignore' },
      SHOW,
      './a',
    ],
    ['a document', ['COPY <<one <<two /d/', '1', 'one', '2', 'two'], {}, 'cat /d/one /d/two', '1\n2'],
    [
      '--chown by number and name, --chmod',
      [
        'RUN echo u:x:7:8::/:/bin/sh >> /etc/passwd; echo g:x:9: >> /etc/group',
        'COPY --chown=u:g --chmod=4711 a /d/a',
        'COPY --chown=5 a /d/b',
      ],
      { a: '' },
      'stat -c "%a %u %g" /d/a /d/b',
      '4711 7 9\n644 5 5',
    ],
    [
      'modes and links as they are',
      ['COPY dir /d'],
      { 'dir/x': { mode: 0o750, text: '' }, 'dir/l': { link: 'nowhere' } },
      'stat -c "%a" /d/x; readlink /d/l',
      '750\nnowhere',
    ],
    [
      'a link named as source is followed',
      ['COPY l /d/f'],
      { a: 'text', l: { link: 'a' } },
      'cat /d/f; test ! -L /d/f',
      'text',
    ],
    [
      'through a link in the image',
      ['RUN mkdir /real && ln -s /real /d', 'COPY a /d/'],
      { a: '' },
      'ls /real',
      'a',
    ],
    ['variables in paths', ['ENV D=/d', 'ARG F=a', 'COPY ${F} ${D}/${F:+yes}'], { a: '' }, SHOW, './yes'],
  ];
  for (const [what, rest, files, script, expected] of copies) {
    test.concurrent(
      what,
      async () => expect(await buildAndSay(from(...rest), files, script)).toBe(expected),
      60_000,
    );
  }

  test('links that lead out of the context bring nothing of the host', async () => {
    const out = { link: '/etc/passwd' };
    const whole = context(from('COPY . /d/'), { l: out, up: { link: '../../../etc/passwd' } });
    const { image } = await built(whole);
    expect(await says(image, 'readlink /d/l; readlink /d/up')).toBe('/etc/passwd\n../../../etc/passwd');
    for (const step of [
      'COPY l /d/',
      'ADD l /d/',
      'COPY dir/passwd /d/',
      'RUN --mount=type=bind,source=l,target=/d cat /d',
    ]) {
      const refused = await build(context(from(step), { l: out, dir: { link: '/etc' } }));
      expect(refused.code).not.toBe(0);
      expect(refused.stdout).not.toContain('root:');
    }
    expect((await build(context(from('COPY ../x /d/')))).code).not.toBe(0);
  }, 60_000);
});

describe('ADD', () => {
  test('archives of the context are unpacked, whatever their names are', async () => {
    const directory = context(
      from(
        'ADD *.bin plain.gz /d/',
        'ADD --unpack=false t.bin /raw',
        'ADD --chown=3:4 g.bin /o',
        'ADD text /d/',
      ),
      { 'src/t': 't', 'src/g': 'g', 'src/b': 'b', 'src/x': 'x', 'src/z': 'z', text: '' },
    );
    const script = [
      'tar -C src --owner=11 --group=12 -cf t.bin t; tar -C src --owner=13 --group=14 -czf g.bin g; tar -C src -cjf b.bin b',
      'tar -C src -cJf x.bin x; tar -C src -cf - z | zstd -q > z.bin; gzip -c text > plain.gz',
    ];
    await must(['bash', '-ec', script.join('\n')], { cwd: directory });
    const { image } = await built(directory);
    expect(await says(image, `${SHOW}; stat -c "%u %g" /d/t /o /o/g; tar -tf /raw`)).toBe(
      lines('./b', './g', './plain.gz', './t', './text', './x', './z', '11 12', '3 4', '13 14', 't'),
    );
  }, 60_000);

  test('addresses: name, mode, checksum, cache by content; what is refused', async () => {
    let body = 'one';
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === '/away') return Response.redirect('http://169.254.169.254/x');
        if (pathname === '/f.txt' || pathname === '/') return new Response(body);
        return new Response('', { status: 404 });
      },
    });
    try {
      const at = `http://127.0.0.1:${server.port}`;
      const sum = new Bun.CryptoHasher('sha256').update('one').digest('hex');
      const directory = context(
        from(`ADD --checksum=sha256:${sum} ${at}/f.txt /d/`, `ADD ${at}/f.txt?x=1 /d/named`),
      );
      const { image } = await built(directory);
      expect(await says(image, 'stat -c "%a %u" /d/f.txt; cat /d/named')).toBe('600 0\none');
      expect((await build(directory)).stdout.match(/Using cache/g)).toHaveLength(2);
      body = 'two';
      expect((await build(directory)).stderr).toContain('digest mismatch');
      const plain = context(from(`ADD ${at}/f.txt /d/`));
      expect((await build(plain)).stdout).not.toContain('Using cache');
      for (const [step, message] of [
        [`ADD ${at}/away /d/`, 'refusing to follow a redirect'],
        [`ADD ${at}/none /d/`, 'with status 404'],
        [`ADD ${at}/ /d/`, 'cannot determine filename from url'],
        [`COPY ${at}/f.txt /d/`, "source can't be a URL for COPY"],
        ['ADD https://example.com/a/b.git#main /d/', 'failed to fetch remote'],
      ] as const) {
        const outcome = await build(context(from(step)));
        expect(outcome.stderr).toContain(message);
      }
    } finally {
      await server.stop(true);
    }
  }, 60_000);
});

describe('stages', () => {
  const file = lines(
    'FROM busybox AS base',
    'RUN echo base > /base',
    'FROM busybox AS unneeded',
    'RUN false',
    'FROM base AS middle',
    'RUN echo middle > /middle',
    'FROM scratch',
    'COPY --from=middle /middle /m',
    'COPY --from=0 /base /b',
    'CMD ["/m"]',
    '',
  );
  test('what nothing needs is not built; the last is FROM scratch', async () => {
    const { image } = await built(context(file));
    const tar = join(place, 'scratch.tar');
    const id = await daemon.ok('docker', ['create', image]);
    await daemon.ok('docker', ['export', '-o', tar, id]);
    await daemon.ok('docker', ['rm', id]);
    const names = await must(['tar', '-xOf', tar, 'b', 'm']);
    expect(names.trim()).toBe('base\nmiddle');
    expect((await configOf(image)).Cmd).toEqual(['/m']);
  }, 60_000);

  test('--target ends there; an unknown one is said', async () => {
    const { image } = await built(context(file), '--target', 'middle');
    expect(await says(image, 'cat /base /middle')).toBe('base\nmiddle');
    expect((await build(context(file), '--target', 'nope')).stderr).toContain(
      'target stage "nope" could not be found',
    );
  }, 60_000);
});

describe('the cache', () => {
  const hits = (output: string): number => output.match(/Using cache/g)?.length ?? 0;
  const file = from('ARG A=1', 'COPY f /f', 'RUN echo $A; cat /proc/sys/kernel/random/uuid > /when');

  test('hits and misses', async () => {
    const directory = context(file, { f: 'one' });
    await built(directory);
    expect(hits((await built(directory)).output)).toBe(2);
    utimesSync(join(directory, 'f'), 1, 1);
    expect(hits((await built(directory)).output)).toBe(2);
    expect(hits((await built(directory, '--build-arg', 'A=2')).output)).toBe(1);
    expect(hits((await built(directory, '--no-cache')).output)).toBe(0);
    writeFileSync(join(directory, 'f'), 'two');
    expect(hits((await built(directory)).output)).toBe(0);
    chmodSync(join(directory, 'f'), 0o700);
    expect(hits((await built(directory)).output)).toBe(0);
  }, 90_000);

  test('another source with the same contents or of the same stage is another step', async () => {
    const files = { a: 'same', b: 'same' };
    const head = ['RUN mkdir /d', 'RUN echo 1 > /x; echo 2 > /y'];
    for (const name of ['a', 'b']) {
      const said = await buildAndSay(from(...head, `COPY ${name} /d`), files, 'ls /d');
      expect(said).toBe(name);
    }
    for (const [name, text] of [
      ['x', '1'],
      ['y', '2'],
    ]) {
      const stages = from(...head, 'FROM busybox', `COPY --from=0 /${name} /z`);
      expect(await buildAndSay(stages, {}, 'cat /z')).toBe(text!);
    }
  }, 60_000);
});

describe('what goes wrong', () => {
  test('.dockerignore may name the Dockerfile and itself', async () => {
    const files = { '.dockerignore': '*\n!a', a: '', b: '' };
    expect(await buildAndSay(from('COPY . /d/'), files, 'ls -A /d')).toBe('a');
  }, 60_000);

  test('a failing step: its code, its lines; nothing is tagged, no container stays', async () => {
    const outcome = await build(context(from('RUN true', 'RUN exit 7', 'RUN true')), '-t', 'failed');
    expect(outcome.code).toBe(7);
    expect(outcome.stderr).toContain("The command '/bin/sh -c exit 7' returned a non-zero code: 7");
    expect(outcome.stderr).toContain('Dockerfile:3\n');
    expect(outcome.stderr).toContain('3 | >>> RUN exit 7');
    expect(await daemon.ok('docker', ['images', '-q', 'failed'])).toBe('');
    expect(await daemon.ids()).toEqual([]);
  }, 60_000);

  const wrong: Array<[rest: string[], message: string]> = [
    [['RNU true'], 'unknown instruction: RNU (did you mean RUN?)'],
    [['COPY --chwon=1 a b'], 'unknown flag: --chwon (did you mean --chown?)'],
    [['RUN --mout=type=tmpfs x'], 'unknown flag: --mout (did you mean --mount?)'],
    [['COPY nothing /x'], 'not found'],
    [['COPY only'], 'requires at least two arguments'],
    [['COPY --from=nobody:9 a b'], 'nobody'],
    [['RUN <<EOF', 'true'], 'unterminated heredoc'],
    [['RUN --mount=type=secret,id=x,required=true true'], 'secret x: not found'],
  ];
  for (const [rest, message] of wrong) {
    test(`${rest[0]}: ${message}`, async () => {
      const { code, stderr } = await build(context(from(...rest), { a: '' }));
      expect(code).not.toBe(0);
      expect(stderr).toContain(message);
      expect(stderr).toContain(`2 | >>> ${rest[0]}`);
    }, 60_000);
  }

  test('a client that goes away ends the step', async () => {
    const client = openClassic(['build', context(from('RUN sleep 1000'))]);
    await until('the step runs', async () => (await daemon.ids()).length === 1);
    client.signal('SIGKILL');
    await until('its container is gone', async () => (await daemon.ids()).length === 0);
    await until('no process is left', async () => processes().length === 0);
  }, 60_000);

  test('kill -9 of the daemon in a step leaves nothing', async () => {
    const client = openClassic(['build', '-t', 'cut', context(from('RUN sleep 1000'))]);
    await until('the step runs', async () => {
      const list = await daemon.request('GET', '/containers/json');
      return ((await list.json()) as unknown[]).length === 1;
    });
    await daemon.kill9();
    client.signal('SIGKILL');
    await daemon.start();
    await until('its container is gone', async () => (await daemon.ids()).length === 0);
    await until('no process is left', async () => processes().length === 0);
    const contexts = join(daemon.dataRoot, 'build', 'contexts');
    expect(existsSync(contexts)).toBe(true);
    expect(await must(['find', contexts, '-mindepth', '1'])).toBe('');
  }, 60_000);
});

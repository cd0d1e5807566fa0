import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrame } from '../wire/stream-frames.ts';
import { runCli } from './cli.ts';

let folder: string;
let server: Server;
/** `METHOD /path?query` → the raw answer, or what makes it. */
let answers: Record<string, string | ((body: string) => string)>;
let seen: Array<{ line: string; body: string; head: string }>;

const json = (status: number, value: unknown) => {
  const body = JSON.stringify(value);
  return `HTTP/1.1 ${status} X\r\nApi-Version: 1.51\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};
const empty = 'HTTP/1.1 204 No Content\r\nApi-Version: 1.51\r\n\r\n';

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tare-cli-'));
  answers = {};
  seen = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    let answered = false;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (answered || end < 0 || text.length < end + 4 + length) return;
      answered = true;
      const line = text.split(' HTTP/')[0]!.replace('/v1.51', '');
      const body = text.slice(end + 4);
      seen.push({ line, body, head: text.slice(0, end) });
      const answer = answers[line] ?? json(404, { message: `no answer for ${line}` });
      socket.end(typeof answer === 'string' ? answer : answer(body), 'latin1');
    });
  });
  await new Promise<void>((resolve) => server.listen(`${folder}/s`, resolve));
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function tare(...words: string[]) {
  let out = '';
  let err = '';
  const text = (data: string | Uint8Array) =>
    typeof data === 'string' ? data : Buffer.from(data).toString();
  const code = await runCli(words, {
    console: {
      out(data) {
        out += text(data);
      },
      err(data) {
        err += text(data);
      },
    },
    environment: { TARE_HOST: `unix://${folder}/s`, DOCKER_CONFIG: folder },
  });
  return { code, out, err };
}

const container = {
  Id: 'a'.repeat(64),
  Names: ['/web', '/db/alias'],
  Image: 'nginx',
  ImageID: `sha256:${'b'.repeat(64)}`,
  Command: 'nginx -g "daemon off;" and more',
  Created: 0,
  Ports: [{ IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' }],
  Labels: { b: '2', a: '1' },
  State: 'running',
  Status: 'Up 2 hours',
  HostConfig: { NetworkMode: 'default' },
  NetworkSettings: { Networks: { bridge: {} } },
  Mounts: [],
};

describe('lists', () => {
  test('ps as a table, as ids, as JSON, by a template', async () => {
    answers['GET /containers/json'] = json(200, [container]);
    const table = await tare('ps');
    expect(table.out.split('\n')[0]).toBe(
      'CONTAINER ID   IMAGE     COMMAND                   CREATED        STATUS       PORTS                  NAMES',
    );
    expect(table.out).toContain('aaaaaaaaaaaa   nginx     "nginx -g \\"daemon of…"   ');
    expect((await tare('ps', '-q')).out).toBe('aaaaaaaaaaaa\n');
    expect((await tare('ps', '--no-trunc', '-q')).out).toBe(`${container.Id}\n`);
    expect((await tare('ps', '--format', '{{.Names}} {{.Labels}} {{.Label "a"}}')).out).toBe(
      'web a=1,b=2 1\n',
    );
    expect(JSON.parse((await tare('ps', '--format', 'json')).out)).toMatchObject({
      Names: 'web',
      State: 'running',
    });
  });

  test('the query follows from the flags', async () => {
    await tare('ps', '-a', '-s', '-n', '3', '-f', 'name=x');
    const filters = encodeURIComponent('{"name":{"x":true}}');
    expect(seen[0]?.line).toBe(`GET /containers/json?all=1&limit=3&size=1&filters=${filters}`);
  });

  test('a format of the configuration file is used unless another is given', async () => {
    answers['GET /containers/json'] = json(200, [container]);
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ psFormat: '{{.Image}}' }));
    expect((await tare('ps')).out).toBe('nginx\n');
    expect((await tare('ps', '--format', '{{.ID}}')).out).toBe('aaaaaaaaaaaa\n');
    expect((await tare('ps', '-q')).out).toBe('aaaaaaaaaaaa\n');
  });

  test('a wrong template says what is wrong', async () => {
    answers['GET /containers/json'] = json(200, [container]);
    expect(await tare('ps', '--format', '{{.Foo}}')).toEqual({
      code: 1,
      out: '',
      err: `failed to execute template: template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext\n`,
    });
    expect((await tare('ps', '--format', '{{.ID')).err).toBe(
      'failed to parse template: template: :1: unclosed action\n',
    );
  });

  test('images under each of their names', async () => {
    const image = {
      Id: `sha256:${'c'.repeat(64)}`,
      Created: 1,
      Size: 4_310_000,
      Containers: -1,
      SharedSize: -1,
    };
    answers['GET /images/json'] = json(200, [
      { ...image, RepoTags: ['a:1', 'reg:5000/b:2'], RepoDigests: [] },
      { ...image, RepoTags: [], RepoDigests: ['c@sha256:x'] },
      { ...image, RepoTags: null, RepoDigests: null },
    ]);
    expect((await tare('images', '--format', '{{.Repository}} {{.Tag}} {{.Size}}')).out).toBe(
      'a 1 4.31MB\nreg:5000/b 2 4.31MB\nc <none> 4.31MB\n<none> <none> 4.31MB\n',
    );
  });
});

describe('wrong lines', () => {
  test.each([
    [['pss'], 1, 'tare: unknown command: tare pss\n\nDid you mean this?\n\ttare ps\n'],
    [['container', 'foo'], 1, 'tare: unknown command: tare container foo\n'],
    [['ps', '--foo'], 125, 'unknown flag: --foo\n\nUsage:  tare ps [OPTIONS]\n'],
    [['ps', '--al'], 125, 'unknown flag: --al\n\nDid you mean --all?\n'],
    [['run'], 1, "tare: 'tare run' requires at least 1 argument\n"],
    [['rename', 'a'], 1, "tare: 'tare rename' requires 2 arguments\n"],
    [['-H', 'tcp://x', 'ps'], 1, 'tcp://x: tcp:// needs TLS'],
    [
      ['run', '-p', 'a:b', 'x'],
      125,
      "tare: invalid containerPort: b\n\nRun 'tare run --help' for more information\n",
    ],
    [
      ['run', '-d', '-a', 'stdout', 'x'],
      1,
      'conflicting options: cannot specify both --attach and --detach\n',
    ],
  ])('%j', async (words, code, message) => {
    const result = await tare(...words);
    expect(result.err).toStartWith(message);
    expect(result.code).toBe(code);
    expect(result.out).toBe('');
  });

  test('help goes to stdout and is no failure', async () => {
    expect(await tare('ps', '--help')).toMatchObject({ code: 0, err: '' });
    expect((await tare('--help')).out).toContain('Common Commands:\n  run ');
    expect((await tare('container')).out).toContain('Usage:  tare container COMMAND');
    expect((await tare('help', 'ps')).out).toContain('Usage:  tare ps [OPTIONS]');
  });
});

describe('several objects', () => {
  test('what works is printed, what fails is told at the end', async () => {
    answers['POST /containers/a/stop?t=1'] = empty;
    answers['POST /containers/c/stop?t=1'] = empty;
    expect(await tare('stop', '-t', '1', 'a', 'b', 'c')).toEqual({
      code: 1,
      out: 'a\nc\n',
      err: 'Error response from daemon: no answer for POST /containers/b/stop?t=1\n',
    });
  });

  test('rm -f of what is not there is no failure', async () => {
    answers['DELETE /containers/x?force=1'] = json(404, { message: 'No such container: x' });
    expect(await tare('rm', '-f', 'x')).toEqual({
      code: 0,
      out: '',
      err: 'Error response from daemon: No such container: x\n',
    });
  });

  test('inspect looks through the types and prints what it found', async () => {
    const missing = json(404, { message: 'no' });
    Object.assign(answers, {
      'GET /containers/x/json': missing,
      'GET /images/x/json': json(200, { Id: 'i' }),
    });
    expect(await tare('inspect', 'x')).toEqual({
      code: 0,
      out: '[\n    {\n        "Id": "i"\n    }\n]\n',
      err: '',
    });
    const none = await tare('inspect', '-f', '{{.Id}}', 'x', 'nope');
    expect(none.out).toBe('i\n');
    expect(none.code).toBe(1);
  });
});

describe('run', () => {
  const id = 'd'.repeat(64);
  const frames = (...parts: Uint8Array[]) => Buffer.concat(parts).toString('latin1');
  const bytes = (text: string) => new TextEncoder().encode(text);

  function container(exitCode: number): void {
    Object.assign(answers, {
      'POST /containers/create': json(201, { Id: id, Warnings: ['careful'] }),
      [`POST /containers/${id}/attach?stream=1&stdout=1&stderr=1`]: `HTTP/1.1 101 UPGRADED\r\n\r\n${frames(
        encodeFrame('stdout', bytes('out')),
        encodeFrame('stderr', bytes('err')),
      )}`,
      [`POST /containers/${id}/wait?condition=next-exit`]: json(200, { StatusCode: exitCode }),
      [`POST /containers/${id}/start`]: empty,
    });
  }

  test('streams stay apart, the exit code is passed on, attach and wait come before the start', async () => {
    container(7);
    expect(await tare('run', 'busybox', 'sh')).toEqual({ code: 7, out: 'out', err: 'WARNING: careful\nerr' });
    const lines = seen.map(({ line }) => line.replace(id, 'ID').split('?')[0]);
    expect(lines[0]).toBe('POST /containers/create');
    expect(lines.slice(1, 3).sort()).toEqual(['POST /containers/ID/attach', 'POST /containers/ID/wait']);
    expect(lines[3]).toBe('POST /containers/ID/start');
    expect(JSON.parse(seen[0]!.body)).toMatchObject({ Image: 'busybox', Cmd: ['sh'] });
  });

  test('-d prints the id and waits for nothing', async () => {
    container(0);
    expect((await tare('run', '-d', 'busybox')).out).toBe(`${id}\n`);
    expect(seen).toHaveLength(2);
  });

  test.each([
    ['exec: "x": executable file not found in $PATH', 127],
    ['exec: "/etc": permission denied', 126],
    ['no space left', 125],
  ])('a start that fails with %s', async (message, code) => {
    container(0);
    answers[`POST /containers/${id}/start`] = json(400, { message });
    const result = await tare('run', 'busybox', 'x');
    expect(result.code).toBe(code);
    expect(result.err).toContain(
      `tare: Error response from daemon: ${message}\n\nRun 'tare run --help' for more information\n`,
    );
  });

  test('a missing image is pulled, progress on stderr, credentials sent', async () => {
    container(0);
    const auth = Buffer.from('me:secret').toString('base64');
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { 'reg.example:5000': { auth } } }));
    let pulled = false;
    answers['POST /containers/create'] = () =>
      pulled
        ? json(201, { Id: id, Warnings: [] })
        : json(404, { message: 'No such image: reg.example:5000/x:latest' });
    answers['POST /images/create?fromImage=reg.example%3A5000%2Fx&tag=latest'] = () => {
      pulled = true;
      const lines = [
        { status: 'Pulling fs layer', id: 'aa' },
        { status: 'Downloading', id: 'aa', progressDetail: { current: 1, total: 2 } },
        { status: 'Pull complete', id: 'aa' },
      ];
      return `HTTP/1.1 200 OK\r\n\r\n${lines.map((line) => `${JSON.stringify(line)}\r\n`).join('')}`;
    };
    const result = await tare('run', 'reg.example:5000/x');
    expect(result).toMatchObject({ code: 0, out: 'out' });
    expect(result.err).toContain("Unable to find image 'reg.example:5000/x:latest' locally\n");
    expect(result.err).toContain('aa: Pulling fs layer\naa: Pull complete\n');
    const sent = seen.find(({ line }) => line.startsWith('POST /images/create'))!.head;
    const header = /X-Registry-Auth: (\S+)/.exec(sent)![1]!;
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
      username: 'me',
      password: 'secret',
      serveraddress: 'reg.example:5000',
    });
  });

  test('a pull that fails ends it, and the id file is not left behind', async () => {
    answers['POST /containers/create'] = json(404, { message: 'No such image: x:latest' });
    answers['POST /images/create?fromImage=x&tag=latest'] =
      'HTTP/1.1 200 OK\r\n\r\n{"error":"denied","errorDetail":{"message":"denied"}}\n';
    const cidfile = join(folder, 'cid');
    const result = await tare('run', '--cidfile', cidfile, 'x');
    expect(result.code).toBe(125);
    expect(result.err).toContain("Unable to find image 'x:latest' locally\ntare: denied\n");
    expect(() => readFileSync(cidfile)).toThrow();
  });

  test('--cidfile holds the id and refuses to be overwritten', async () => {
    container(0);
    const cidfile = join(folder, 'cid');
    await tare('run', '--cidfile', cidfile, 'x');
    expect(readFileSync(cidfile, 'utf8')).toBe(id);
    expect((await tare('run', '--cidfile', cidfile, 'x')).err).toContain('container ID file found');
  });
});

describe('completion', () => {
  const words = async (...line: string[]) =>
    (await tare('__complete', ...line)).out.split('\n').filter(Boolean);

  test('commands, verbs, flags, their values', async () => {
    expect(await words('r')).toEqual(['registry', 'rename', 'restart', 'rm', 'rmi', 'run']);
    expect(await words('container', 'p')).toEqual(['pause', 'port', 'prune']);
    expect(await words('run', '--pul')).toEqual(['--pull']);
    expect(await words('run', '--pull', '')).toEqual(['always', 'missing', 'never']);
    expect(await words('run', '--env-file', '')).toEqual([':files']);
  });

  test('names come from the daemon; without one there are none', async () => {
    answers['GET /containers/json?all=1'] = json(200, [{ Names: ['/web'] }, { Names: ['/db'] }]);
    expect(await words('start', '')).toEqual(['web', 'db']);
    expect(await words('start', 'w')).toEqual(['web']);
    expect(await words('exec', '')).toEqual([]);
  });

  test('a script for each shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish'])
      expect((await tare('completion', shell)).out).toContain('__complete');
    expect((await tare('completion', 'tcsh')).err).toContain('use bash, zsh or fish');
  });
});

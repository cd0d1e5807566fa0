import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fakeDependencies } from '../../test/support/api/fake-engine.ts';
import { Harness, RawConnection } from '../../test/support/api/harness.ts';
import { createApi } from './api.ts';
import { socketGroup } from './socket-file.ts';

const harness = new Harness();
beforeAll(() => harness.start());
afterAll(() => harness.stop());

describe('versions and headers', () => {
  test('ping tells what the daemon speaks', async () => {
    for (const [method, body] of [
      ['GET', 'OK'],
      ['HEAD', ''],
    ] as const) {
      const answer = await harness.call(method, '/_ping');
      expect(answer.status).toBe(200);
      expect(answer.body).toBe(body);
      expect(answer.headers).toMatchObject({
        'api-version': '1.51',
        'docker-experimental': 'false',
        ostype: 'linux',
        server: 'Tare/0.1.0 (linux)',
        'builder-version': '2',
        swarm: 'inactive',
        pragma: 'no-cache',
        'cache-control': 'no-cache, no-store, must-revalidate',
      });
    }
  });

  test.each([
    ['/v1.24/version', 200, ''],
    ['/v1.51/version', 200, ''],
    ['/version', 200, ''],
    [
      '/v1.20/version',
      400,
      'client version 1.20 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
    ],
    ['/v1.99/version', 400, 'client version 1.99 is too new. Maximum supported API version is 1.51'],
    ['/v2.0/version', 400, 'client version 2.0 is too new. Maximum supported API version is 1.51'],
    ['/nothing', 404, 'page not found'],
    ['/v1.51/containers/', 404, 'page not found'],
    ['/containers/%zz/json', 400, 'bad escape in the path: %zz'],
  ])('%s answers %d', async (path, status, message) => {
    const answer = await harness.call('GET', path);
    expect(answer.status).toBe(status);
    expect(answer.headers['api-version']).toBe('1.51');
    if (message !== '') expect(JSON.parse(answer.body)).toEqual({ message });
  });

  test('another method is not found, as in dockerd', async () => {
    expect((await harness.call('PUT', '/version')).status).toBe(404);
  });

  test('an upgrade that the endpoint does not know is ignored', async () => {
    const raw = harness.raw();
    raw.upgrade('GET', '/version', { Upgrade: 'h2c' });
    await raw.end();
    expect(raw.text).toStartWith('HTTP/1.1 200 OK');
    expect(raw.text).toContain('"ApiVersion":"1.51"');
  });

  test('many requests on one connection', async () => {
    const raw = harness.raw();
    for (let index = 1; index <= 5; index += 1) {
      raw.socket.write('GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n');
      await raw.until((c) => c.text.split('HTTP/1.1 200').length === index + 1 && c.text.endsWith('OK'));
    }
  });
});

describe('bodies', () => {
  const create = (body: string, headers: Record<string, string> = {}) =>
    harness.call('POST', '/containers/create', body, headers);

  test.each([
    ['{', 'invalid JSON: '],
    ['{} {}', 'unexpected content after JSON'],
    [' ', 'invalid JSON: got EOF while reading request body'],
    ['[]', 'invalid JSON: json: cannot unmarshal array into Go value of type ContainerCreateRequest'],
    [
      '{"HostConfig":{"Memory":"1g"}}',
      'invalid JSON: json: cannot unmarshal string into Go struct field Resources.Memory of type int64',
    ],
    [
      '{"HostConfig":{"Memory":1.5}}',
      'invalid JSON: json: cannot unmarshal number 1.5 into Go struct field Resources.Memory of type int64',
    ],
    ['{"Env":"A=b"}', 'cannot unmarshal string into Go struct field Config.Env of type []string'],
    [
      '{"Labels":["a"]}',
      'cannot unmarshal array into Go struct field Config.Labels of type map[string]string',
    ],
  ])('%s is refused', async (body, words) => {
    const answer = await create(body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).message).toContain(words);
  });

  test('the content type must be JSON', async () => {
    const answer = await create('{}', { 'Content-Type': 'text/plain' });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).message).toBe(
      "unsupported Content-Type header (text/plain): must be 'application/json'",
    );
    expect((await create('{}', { 'Content-Type': 'application/json; charset=utf-8' })).status).toBe(201);
  });

  test('no body at all', async () => {
    const answer = await harness.call('POST', '/containers/create');
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).message).toBe('config cannot be empty in order to create a container');
  });

  test('a body of 1 GB by its header is refused before it is sent', async () => {
    const raw = harness.raw();
    raw.socket.write(
      'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{"a":"',
    );
    await raw.until((c) => c.text.includes('request body too large'));
    expect(raw.text).toStartWith('HTTP/1.1 413');
  });

  test('a client that waits for 100 Continue is not told to send 1 GB', async () => {
    const raw = harness.raw();
    raw.socket.write(
      'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\nExpect: 100-continue\r\n\r\n',
    );
    await raw.until((c) => c.text.includes('request body too large'));
    expect(raw.text).not.toContain('100 Continue');
  });

  test('100 Continue is sent for a body that is wanted', async () => {
    const raw = harness.raw();
    raw.socket.write(
      'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n',
    );
    await raw.until((c) => c.text.includes('100 Continue'));
    raw.socket.write('{}');
    await raw.until((c) => c.text.includes('HTTP/1.1 201'));
  });

  test('a chunked body without end is refused at the limit', async () => {
    const raw = harness.raw();
    raw.socket.write(
      'POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    // One byte beyond the limit, and no end: the answer must come while the body is still open.
    const piece = `100000\r\n${'x'.repeat(0x100000)}\r\n`;
    for (let index = 0; index < 8; index += 1) raw.socket.write(piece);
    raw.socket.write('1\r\nx\r\n');
    await raw.until((c) => c.text.includes('request body too large'));
    expect(raw.text).toStartWith('HTTP/1.1 413');
  });
});

describe('sockets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tare-sockets-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const server = () => createApi(fakeDependencies());

  test('a socket is born with mode 0660 and goes when the server closes', async () => {
    const api = server();
    const path = join(directory, 'sub', 'a.sock');
    await api.listenPath(path);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    await api.close(100);
    expect(existsSync(path)).toBe(false);
  });

  test('a stale socket is replaced, a living one and other files are not', async () => {
    const path = join(directory, 'stale.sock');
    const stale = Bun.spawnSync({
      cmd: ['python3', '-c', 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])', path],
    });
    expect(stale.exitCode).toBe(0);
    expect(existsSync(path)).toBe(true);
    const first = server();
    await first.listenPath(path);
    await expect(server().listenPath(path)).rejects.toThrow('another daemon answers there');
    expect(existsSync(path)).toBe(true);
    await first.close(100);
    const file = join(directory, 'file');
    writeFileSync(file, 'precious');
    await expect(server().listenPath(file)).rejects.toThrow('a file that is no socket is there');
  });

  test('the group of the socket', async () => {
    const groups = join(directory, 'group');
    writeFileSync(groups, 'root:x:0:\ndocker:x:998:\ntare:x:997:a\n');
    expect(socketGroup(['tare', 'docker'], groups)).toBe(997);
    expect(socketGroup(['docker'], groups)).toBe(998);
    expect(socketGroup(['none'], groups)).toBeUndefined();
    await expect(server().listenPath(join(directory, 'g.sock'), 'no-such-group')).rejects.toThrow(
      'group no-such-group not found',
    );
  });

  test('a descriptor that systemd listens on', async () => {
    const path = join(directory, 'fd.sock');
    // Bun's spawn cannot pass a listening socket as descriptor 3; python takes systemd's part.
    const activate = [
      'import os, socket, sys',
      's = socket.socket(socket.AF_UNIX)',
      's.bind(sys.argv[1])',
      's.listen(16)',
      'os.dup2(s.fileno(), 3)',
      'os.set_inheritable(3, True)',
      'os.execv(sys.argv[2], sys.argv[2:])',
    ].join('\n');
    const program = join(import.meta.dir, '../../test/support/api/fd-server.ts');
    const child = Bun.spawn({
      cmd: ['python3', '-c', activate, path, process.execPath, program],
      stdout: 'pipe',
      stderr: 'inherit',
    });
    try {
      const first = await child.stdout.getReader().read();
      expect(Buffer.from(first.value ?? []).toString()).toBe('ready\n');
      const answer = await fetch('http://d/_ping', { unix: path });
      expect(await answer.text()).toBe('OK');
      // An upgrade with a body: an exec's start. The body comes with the head, and after it in pieces.
      for (const pieces of [['{"Detach":3}'], ['', '{"Det', 'ach":3}']]) {
        const raw = new RawConnection(connect({ path, allowHalfOpen: true }));
        const length = { 'Content-Type': 'application/json', 'Content-Length': '12' };
        raw.upgrade('POST', '/exec/none/start', length, pieces[0]);
        for (const piece of pieces.slice(1)) {
          await Bun.sleep(20);
          raw.socket.write(piece);
        }
        await raw.until(({ text }) => text.includes('Detach'));
        expect(raw.text).toContain('400 Bad Request');
        raw.socket.destroy();
      }
      child.kill('SIGTERM');
      expect(await child.exited).toBe(0);
      // The socket belongs to systemd: it stays.
      expect(existsSync(path)).toBe(true);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('several sockets, and a close ends streams', async () => {
    const api = server();
    const paths = [join(directory, '1.sock'), join(directory, '2.sock')];
    for (const path of paths) await api.listenPath(path);
    for (const unix of paths) expect((await fetch('http://d/_ping', { unix })).status).toBe(200);
    const events = await fetch('http://d/events', { unix: paths[0] as string });
    await api.close(5000);
    expect(await events.text()).toBe('');
    await api.close(0);
  });
});

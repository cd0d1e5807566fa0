import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { fakeContainer, IMAGE_ID, NOW } from '../../test/support/api/fake-containers.ts';
import { FakeSession } from '../../test/support/api/fake-session.ts';
import { Harness } from '../../test/support/api/harness.ts';
import { TareError } from '../base/errors.ts';

let harness: Harness;
beforeEach(async () => {
  harness = await new Harness().start();
});
afterEach(() => harness.stop());

const frame = (stream: number, text: string) =>
  Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);

/** Bounds that only a hang breaks. */
async function until(test: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!test()) {
    if (Date.now() > deadline) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function useTty(): FakeSession {
  const { containers } = harness.engine;
  containers.items = [fakeContainer({ Image: 'nginx', Cmd: ['sh'], Tty: true })];
  containers.session = new FakeSession(true);
  return containers.session;
}

describe('attach', () => {
  const path = '/v1.51/containers/web/attach?stream=1&stdin=1&stdout=1&stderr=1';

  test('output is framed, input goes in, both directions end on their own', async () => {
    const { session } = harness.engine.containers;
    session.emit('stdout', 'before');
    const raw = harness.raw();
    raw.upgrade('POST', path);
    await raw.until((c) => c.payload.length >= 14);
    expect(raw.text).toStartWith('HTTP/1.1 101 UPGRADED\r\n');
    expect(raw.text).toContain('Content-Type: application/vnd.docker.multiplexed-stream\r\n');
    expect(raw.text).toContain('Connection: Upgrade\r\nUpgrade: tcp\r\n');
    expect(raw.payload).toEqual(frame(1, 'before'));
    let inputEnded = false;
    session.onInputEnd = () => {
      inputEnded = true;
      session.emit('stderr', 'after');
      session.exit();
    };
    raw.socket.write('hello');
    await until(() => session.inputText === 'hello');
    expect(inputEnded).toBe(false);
    raw.socket.end();
    await raw.end();
    expect(inputEnded).toBe(true);
    expect(raw.payload).toEqual(Buffer.concat([frame(1, 'before'), frame(2, 'after')]));
  });

  test('a client may end its side before the session is there', async () => {
    const { session } = harness.engine.containers;
    let inputEnded = false;
    session.onInputEnd = () => {
      inputEnded = true;
      session.exit();
    };
    const attach = harness.engine.containers.attach.bind(harness.engine.containers);
    harness.engine.containers.attach = async (ref, options) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return attach(ref, options);
    };
    const raw = harness.raw();
    raw.upgrade('POST', path);
    raw.socket.end();
    await raw.end();
    expect(inputEnded).toBe(true);
  });

  test('a terminal is raw and can be left by the detach keys', async () => {
    const session = useTty();
    const events: string[] = [];
    harness.engine.events.subscribe(undefined, (event) => events.push(event.action));
    const raw = harness.raw();
    raw.upgrade('POST', `${path}&detachKeys=ctrl-a,x`);
    session.emit('stdout', '$ ');
    await raw.until((c) => c.payload.toString() === '$ ');
    expect(raw.text).toContain('Content-Type: application/vnd.docker.raw-stream\r\n');
    raw.socket.write('ls\x01y\x01');
    raw.socket.write('x after');
    await raw.end();
    expect(session.inputText).toBe('ls\x01y');
    expect(session.closed).toBe(true);
    expect(events).toEqual(['detach']);
  });

  test('without a terminal the default keys mean nothing', async () => {
    const { session } = harness.engine.containers;
    const raw = harness.raw();
    raw.upgrade('POST', path);
    raw.socket.write('\x10\x11');
    await until(() => session.inputText === '\x10\x11');
    expect(session.closed).toBe(false);
  });

  test('old API versions know one content type', async () => {
    const raw = harness.raw();
    raw.upgrade('POST', path.replace('1.51', '1.41'));
    await raw.until((c) => c.text.includes('\r\n\r\n'));
    expect(raw.text).toContain('Content-Type: application/vnd.docker.raw-stream\r\n');
  });

  test('errors come before the switch', async () => {
    for (const [target, status, message] of [
      ['/containers/none/attach?stream=1', 404, 'No such container: none'],
      ['/containers/web/attach?stream=1&detachKeys=bad-keys', 400, 'Invalid detach keys (bad-keys) provided'],
    ] as const) {
      const raw = harness.raw();
      raw.upgrade('POST', target);
      await raw.end();
      expect(raw.text).toStartWith(`HTTP/1.1 ${status} `);
      expect(JSON.parse(raw.payload.toString())).toEqual({ message });
    }
  });

  test('a client that goes away closes its session', async () => {
    const { session } = harness.engine.containers;
    const raw = harness.raw();
    raw.upgrade('POST', path);
    await raw.until((c) => c.text.includes('\r\n\r\n'));
    raw.socket.destroy();
    await until(() => session.closed);
  });

  test('a client that does not read pauses the session, and gets all when it reads again', async () => {
    const { session } = harness.engine.containers;
    const raw = harness.raw();
    raw.upgrade('POST', path);
    await raw.until((c) => c.text.includes('\r\n\r\n'));
    const head = raw.bytes.length;
    raw.socket.pause();
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    while (!session.paused && sent < 64 * 1024 * 1024) {
      session.emit('stdout', chunk);
      sent += chunk.length + 8;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(session.paused).toBe(true);
    expect(sent).toBeLessThan(16 * 1024 * 1024);
    session.onResume = () => session.exit();
    raw.socket.resume();
    await raw.end();
    expect(raw.bytes.length - head).toBe(sent);
  });

  test('input waits until the process takes it', async () => {
    const { session } = harness.engine.containers;
    const gate = Promise.withResolvers<void>();
    session.onInput = () => gate.promise;
    const raw = harness.raw();
    raw.upgrade('POST', path);
    await raw.until((c) => c.text.includes('\r\n\r\n'));
    const total = 4 * 1024 * 1024;
    raw.socket.write(Buffer.alloc(total, 'z'));
    await until(() => session.input.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(session.input.length).toBe(1);
    gate.resolve();
    await until(() => session.input.reduce((sum, chunk) => sum + chunk.length, 0) === total);
  });

  test('logs come first, then the live output', async () => {
    const { containers } = harness.engine;
    containers.records = [{ stream: 'stderr', time: 't', data: Buffer.from('old\n') }];
    containers.session.emit('stdout', 'new');
    containers.session.exit();
    const raw = harness.raw();
    raw.upgrade('POST', `${path}&logs=1`);
    await raw.end();
    expect(raw.payload).toEqual(Buffer.concat([frame(2, 'old\n'), frame(1, 'new')]));
  });

  test('a client without Upgrade gets the bytes as a body and sends its own as one', async () => {
    const { session } = harness.engine.containers;
    const raw = harness.raw();
    raw.socket.write(`POST ${path} HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
    await until(() => session.inputText === 'abc');
    session.onInputEnd = () => {
      session.emit('stdout', 'done');
      session.exit();
    };
    raw.socket.write('0\r\n\r\n');
    await raw.end();
    expect(raw.text).toStartWith('HTTP/1.1 200 OK');
    expect(raw.text).toContain('Content-Type: application/vnd.docker.multiplexed-stream');
    expect(raw.payload).toEqual(frame(1, 'done'));
  });
});

describe('attach over a websocket', () => {
  const key = {
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
  };

  test('the handshake of RFC 6455, messages both ways', async () => {
    const { session } = harness.engine.containers;
    const socket = new WebSocket(
      `ws+unix://${harness.socketPath}:/containers/web/attach/ws?stream=1&stdin=1&stdout=1`,
    );
    socket.binaryType = 'arraybuffer';
    const received: string[] = [];
    const closed = new Promise<number>((resolve) => {
      socket.onclose = (event) => resolve(event.code);
    });
    socket.onmessage = (event) => received.push(Buffer.from(event.data as ArrayBuffer).toString());
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    socket.send('in');
    await until(() => session.inputText === 'in');
    session.emit('stdout', 'out');
    session.emit('stdout', 'x'.repeat(70_000));
    await until(() => received.length === 2);
    expect(received[0]).toBe('out');
    expect(received[1]?.length).toBe(70_000);
    session.exit();
    expect(await closed).toBe(1000);
  });

  test('the key is answered as the RFC says, pings are, and a close closes', async () => {
    const { session } = harness.engine.containers;
    let inputEnded = false;
    session.onInputEnd = () => {
      inputEnded = true;
      session.exit();
    };
    const raw = harness.raw();
    raw.upgrade('GET', '/containers/web/attach/ws?stream=1&stdin=1', key);
    await raw.until((c) => c.text.includes('\r\n\r\n'));
    expect(raw.text).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    // A ping and a close, masked with zeros.
    raw.socket.write(Buffer.from([0x89, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    await raw.until((c) => c.payload.length >= 4);
    expect(raw.payload).toEqual(Buffer.from([0x8a, 2, 0x68, 0x69]));
    raw.socket.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
    await raw.end();
    expect(inputEnded).toBe(true);
    expect(raw.payload.subarray(4)).toEqual(Buffer.from([0x88, 2, 0x03, 0xe8]));
  });

  test('a frame without a mask ends the connection', async () => {
    const raw = harness.raw();
    raw.upgrade('GET', '/containers/web/attach/ws?stream=1&stdin=1', key);
    await raw.until((c) => c.text.includes('\r\n\r\n'));
    raw.socket.write(Buffer.from([0x82, 1, 0x61]));
    await raw.until((c) => c.payload.length >= 4);
    expect(raw.payload).toEqual(Buffer.from([0x88, 2, 0x03, 0xea]));
  });

  test('what is no handshake is refused', async () => {
    const answer = await harness.call('GET', '/containers/web/attach/ws?stream=1');
    expect(answer.status).toBe(400);
    expect(harness.engine.containers.session.closed).toBe(true);
  });
});

describe('exec', () => {
  async function create(body: object): Promise<string> {
    const answer = await harness.call('POST', '/containers/web/exec', body);
    expect(answer.status).toBe(201);
    return JSON.parse(answer.body).Id;
  }

  test('create, start with a JSON body in the upgrade, inspect', async () => {
    const { session } = harness.engine.containers;
    const id = await create({ Cmd: ['cat', '-'], AttachStdin: true, AttachStdout: true, User: 'u' });
    const raw = harness.raw();
    raw.upgrade(
      'POST',
      `/v1.51/exec/${id}/start`,
      { 'Content-Type': 'application/json' },
      '{"Detach":false}',
    );
    await raw.until((c) => c.text.includes('\r\n\r\n'));
    expect(raw.text).toStartWith('HTTP/1.1 101 UPGRADED');
    raw.socket.write('in');
    await until(() => session.inputText === 'in');
    session.emit('stdout', 'out');
    session.exit();
    await raw.end();
    expect(raw.payload).toEqual(frame(1, 'out'));
    expect(await harness.json('GET', `/exec/${id}/json`)).toMatchObject({
      ID: id,
      Running: false,
      ProcessConfig: { entrypoint: 'cat', arguments: ['-'], tty: false, privileged: false, user: 'u' },
      OpenStdin: true,
    });
  });

  test('why it could not be started is told in the stream', async () => {
    const id = await create({ Cmd: ['nope'], AttachStdout: true });
    harness.engine.containers.startError = new TareError(
      'invalid',
      'exec: "nope": executable file not found',
    );
    const raw = harness.raw();
    raw.upgrade('POST', `/exec/${id}/start`, { 'Content-Type': 'application/json' }, '{}');
    await raw.end();
    expect(raw.text).toStartWith('HTTP/1.1 101');
    expect(raw.payload.subarray(8).toString()).toBe('exec: "nope": executable file not found\r\n');
  });

  test('detached', async () => {
    const id = await create({ Cmd: ['true'] });
    expect((await harness.call('POST', `/exec/${id}/start`, { Detach: true })).status).toBe(200);
  });

  test('bad requests', async () => {
    const { containers } = harness.engine;
    expect(await harness.call('POST', '/containers/web/exec', {})).toMatchObject({ status: 400 });
    expect(
      (await harness.call('POST', '/containers/web/exec', { Cmd: ['x'], DetachKeys: 'nonsense' })).body,
    ).toContain('invalid detach keys (nonsense) provided');
    expect((await harness.call('POST', '/exec/none/start', {})).status).toBe(404);
    const id = await create({ Cmd: ['x'] });
    containers.items = [fakeContainer(undefined, { state: { ...fakeContainer().state, status: 'exited' } })];
    const answer = await harness.call('POST', `/exec/${id}/start`, {});
    expect(answer.status).toBe(409);
    expect(answer.body).toContain('is not running');
  });
});

describe('logs', () => {
  const record = (stream: 'stdout' | 'stderr', text: string) => ({
    stream,
    time: '2026-01-01T00:00:00.000000001Z',
    data: Buffer.from(text),
  });

  test('frames, timestamps and the options that reach the engine', async () => {
    const { containers } = harness.engine;
    containers.records = [record('stdout', 'a\n'), record('stderr', 'b\n')];
    const answer = await harness.open(
      'GET',
      '/v1.51/containers/web/logs?stdout=1&stderr=1&timestamps=1&tail=10&since=1.5&until=1767323045.000000001',
    );
    expect(answer.headers['content-type']).toBe('application/vnd.docker.multiplexed-stream');
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks)).toEqual(
      Buffer.concat([
        frame(1, '2026-01-01T00:00:00.000000001Z a\n'),
        frame(2, '2026-01-01T00:00:00.000000001Z b\n'),
      ]),
    );
    expect(containers.calls.at(-1)).toContain('"since":1500000000,"until":1767323045000000000');
    expect(containers.calls.at(-1)).toContain('"tail":10');
  });

  test('details stand between the time and the text, sorted and escaped', async () => {
    const { containers } = harness.engine;
    useTty();
    containers.records = [record('stdout', 'a\n')];
    const plain = await harness.call('GET', '/containers/web/logs?stdout=1&details=1');
    expect(plain.body).toBe(' a\n');
    containers.details = { tag: 'my tag', A: 'x=(y)&ü' };
    const answer = await harness.call('GET', '/containers/web/logs?stdout=1&details=1&timestamps=1');
    expect(answer.body).toBe('2026-01-01T00:00:00.000000001Z A=x%3D%28y%29%26%C3%BC,tag=my+tag a\n');
  });

  test('our own client gets one frame for records of one stream in a row', async () => {
    const { containers } = harness.engine;
    containers.records = [record('stdout', 'a\n'), record('stdout', 'b\n'), record('stderr', 'c\n')];
    const answer = await harness.open('GET', '/v1.51/containers/web/logs?stdout=1&stderr=1&tare=1');
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks)).toEqual(Buffer.concat([frame(1, 'a\nb\n'), frame(2, 'c\n')]));
  });

  test('a terminal is not framed', async () => {
    useTty();
    harness.engine.containers.records = [record('stdout', 'a\r\n')];
    const answer = await harness.call('GET', '/containers/web/logs?stdout=1');
    expect(answer.headers['content-type']).toBe('application/vnd.docker.raw-stream');
    expect(answer.body).toBe('a\r\n');
  });

  test('a follower gets its header at once and ends the reading when it leaves', async () => {
    const { containers } = harness.engine;
    const answer = await harness.open('GET', '/containers/web/logs?stdout=1&follow=1');
    expect(answer.statusCode).toBe(200);
    answer.destroy();
    await until(() => containers.logSignal?.aborted === true);
  });

  test('bad requests', async () => {
    const none = await harness.call('GET', '/containers/web/logs');
    expect(none.status).toBe(400);
    expect(JSON.parse(none.body).message).toBe('Bad parameters: you must choose at least one stream');
    expect((await harness.call('GET', '/containers/web/logs?stdout=1&since=soon')).status).toBe(400);
    expect((await harness.call('GET', '/containers/none/logs?stdout=1')).status).toBe(404);
  });

  test('a large log arrives whole', async () => {
    const line = `${'x'.repeat(99)}\n`;
    harness.engine.containers.records = Array.from({ length: 50_000 }, () => record('stdout', line));
    useTty();
    const answer = await harness.call('GET', '/containers/web/logs?stdout=1');
    expect(answer.body.length).toBe(5_000_000);
  });
});

describe('wait', () => {
  test('the header comes at once, the exit later', async () => {
    const { containers } = harness.engine;
    const answer = await harness.open('POST', '/v1.51/containers/web/wait?condition=next-exit');
    expect(answer.statusCode).toBe(200);
    expect(containers.calls).toEqual(['wait web "next-exit"']);
    containers.exits.resolve({ exitCode: 3 });
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    expect(JSON.parse(Buffer.concat(chunks).toString())).toEqual({ StatusCode: 3 });
  });

  test('a client that leaves stops waiting', async () => {
    const answer = await harness.open('POST', '/containers/web/wait');
    answer.destroy();
    await until(() => harness.engine.containers.waitSignal?.aborted === true);
  });

  test('bad requests', async () => {
    expect((await harness.call('POST', '/containers/none/wait')).status).toBe(404);
    const bad = await harness.call('POST', '/containers/web/wait?condition=never');
    expect(bad.status).toBe(400);
    expect(JSON.parse(bad.body).message).toBe('invalid condition: "never"');
  });
});

describe('events', () => {
  const emit = (action: string, attributes: Record<string, string> = {}) =>
    harness.engine.events.emit({ type: 'container', action, id: 'c1', attributes });

  test('past ones, live ones, filtered, with exact nanoseconds', async () => {
    emit('create', { image: 'nginx', name: 'web' });
    const filters = encodeURIComponent('{"event":["create","exec_create"]}');
    const answer = await harness.open('GET', `/events?since=1&filters=${filters}`);
    const lines: string[] = [];
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => lines.push(...text.split('\n').filter((line) => line !== '')));
    await until(() => lines.length === 1);
    emit('start');
    emit('exec_create: sh');
    await until(() => lines.length === 2);
    const [first, second] = lines.map((line) => JSON.parse(line));
    expect(first).toMatchObject({
      status: 'create',
      id: 'c1',
      from: 'nginx',
      Type: 'container',
      Action: 'create',
      Actor: { ID: 'c1', Attributes: { image: 'nginx', name: 'web' } },
      scope: 'local',
    });
    expect(lines[0]).toMatch(/"timeNano":\d{19}\}$/);
    expect(second.Action).toBe('exec_create: sh');
    answer.destroy();
    await until(() => harness.engine.events.listenerCount === 0);
  });

  test('until ends it', async () => {
    const answer = await harness.call('GET', `/events?until=${NOW / 1000 + 0.05}`);
    expect(answer).toMatchObject({ status: 200, body: '' });
    expect(harness.engine.events.listenerCount).toBe(0);
  });

  test('an end before the beginning is refused', async () => {
    expect((await harness.call('GET', '/events?since=5&until=4')).status).toBe(400);
  });
});

describe('transfers', () => {
  test('pull reports line by line', async () => {
    const { images } = harness.engine;
    const auth = Buffer.from('{"username":"u","password":"p"}').toString('base64url');
    const answer = await harness.call(
      'POST',
      '/images/create?fromImage=busybox&tag=1&platform=linux/arm64',
      undefined,
      {
        'X-Registry-Auth': auth,
      },
    );
    expect(answer.headers['content-type']).toBe('application/json');
    expect(
      answer.body
        .trim()
        .split('\r\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      {
        id: 'abc',
        status: 'Downloading',
        progressDetail: { current: 50, total: 100 },
        progress: `[${'='.repeat(25)}>${' '.repeat(25)}]      50B/100B`,
      },
      { status: 'Status: Downloaded newer image' },
    ]);
    expect(images.calls).toEqual([['pull', 'busybox:1', 'linux/arm64', { username: 'u', password: 'p' }]]);
  });

  test('pull without a tag is a pull of all tags', async () => {
    const { images } = harness.engine;
    await harness.call('POST', '/images/create?fromImage=host:5000/a/b');
    await harness.call('POST', '/images/create?fromImage=busybox:1');
    await harness.call('POST', `/images/create?fromImage=busybox&tag=sha256:${'a'.repeat(64)}`);
    expect(images.calls.map((call) => (call as unknown[]).slice(0, 2))).toEqual([
      ['pullAll', 'host:5000/a/b'],
      ['pull', 'busybox:1'],
      ['pull', `busybox@sha256:${'a'.repeat(64)}`],
    ]);
  });

  test('push reports line by line, with what programs read at its end', async () => {
    const { images } = harness.engine;
    const platform = encodeURIComponent('{"os":"linux","architecture":"arm64"}');
    const auth = Buffer.from('{"username":"u","password":"p"}').toString('base64url');
    const headers = { 'X-Registry-Auth': auth };
    const path = `/images/host:5000/a/b/push?tag=1&platform=${platform}`;
    const answer = await harness.call('POST', path, undefined, headers);
    const lines = answer.body.trim().split('\r\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { status: 'The push refers to repository [docker.io/library/nginx]' },
      {
        id: '0123456789ab',
        status: 'Pushing',
        progressDetail: { current: 50, total: 100 },
        progress: `[${'='.repeat(25)}>${' '.repeat(25)}]      50B/100B`,
      },
      { progressDetail: {}, aux: { Tag: 'latest', Digest: IMAGE_ID, Size: 528 } },
    ]);
    expect(images.calls).toEqual([
      ['push', 'host:5000/a/b:1', { os: 'linux', architecture: 'arm64' }, { username: 'u', password: 'p' }],
    ]);
  });

  test('an error has its status before the first line and is the last line after it', async () => {
    const { images } = harness.engine;
    images.onPull = async () => {
      throw new TareError('not-found', 'pull access denied for x');
    };
    const early = await harness.call('POST', '/images/create?fromImage=x&tag=latest');
    expect(early.status).toBe(404);
    expect(JSON.parse(early.body)).toEqual({ message: 'pull access denied for x' });
    images.onPull = async (_reference, { report }) => {
      report({ status: 'Pulling' });
      throw new TareError('corrupt', 'digest mismatch');
    };
    const late = await harness.call('POST', `/images/create?fromImage=x&tag=sha256:${'ab'.repeat(32)}`);
    expect(late.status).toBe(200);
    expect(JSON.parse(late.body.trim().split('\r\n').at(-1) ?? '')).toEqual({
      errorDetail: { message: 'digest mismatch' },
      error: 'digest mismatch',
    });
    expect(images.calls.at(-1)).toEqual(['pull', `x@sha256:${'ab'.repeat(32)}`, undefined, undefined]);
  });

  test('a client that leaves stops its pull', async () => {
    const { images } = harness.engine;
    images.onPull = async (_reference, { report, signal }) => {
      report({ status: 'Pulling' });
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new TareError('cancelled', 'gone')));
      });
      throw new Error('unreachable');
    };
    const answer = await harness.open('POST', '/images/create?fromImage=x&tag=latest');
    answer.destroy();
    await until(() => images.pullSignal?.aborted === true);
  });

  test('load and import take a body of any size', async () => {
    const { images } = harness.engine;
    const body = 'x'.repeat(5_000_000);
    const loaded = await harness.call('POST', '/images/load?quiet=1', body, {
      'Content-Type': 'application/x-tar',
    });
    expect(JSON.parse(loaded.body)).toEqual({ stream: 'Loaded image: nginx:latest\n' });
    expect(images.received).toBe(5_000_000);
    const imported = await harness.call(
      'POST',
      '/images/create?fromSrc=-&repo=debian&tag=12&message=m&changes=CMD%20sh&changes=ENV%20A=b',
      body,
      { 'Content-Type': 'application/x-tar', 'Transfer-Encoding': 'chunked' },
    );
    expect(JSON.parse(imported.body)).toMatchObject({ status: expect.stringContaining('sha256:') });
    expect(images.received).toBe(10_000_000);
    expect(images.calls.at(-1)).toEqual([
      'import',
      { reference: 'debian:12', message: 'm', changes: ['CMD sh', 'ENV A=b'] },
    ]);
  });

  test('import from an address: the daemon fetches it', async () => {
    const { images } = harness.engine;
    const address = 'http://127.0.0.1:1/x.tar';
    await harness.call('POST', `/images/create?fromSrc=${encodeURIComponent(address)}&repo=a&tag=b`);
    expect(images.calls).toContainEqual(['address', address]);
    expect(images.calls).toContainEqual([
      'import',
      { reference: 'a:b', message: `Imported from ${address}`, changes: [] },
    ]);
  });

  test('a load whose client goes away fails and stops reading', async () => {
    const raw = harness.raw();
    raw.socket.write('POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 1000000\r\n\r\nabc');
    await until(() => harness.engine.images.received === 3);
    raw.socket.destroy();
    expect((await harness.call('GET', '/_ping')).status).toBe(200);
  });

  test('save and export stream', async () => {
    const saved = await harness.call('GET', '/images/get?names=a&names=b/c:1');
    expect(saved.body).toBe('saved');
    expect(saved.headers['content-type']).toBe('application/x-tar');
    expect(harness.engine.images.calls).toEqual([['save', 'a', 'b/c:1']]);
    expect((await harness.call('GET', '/images/host:5000/a/b:1/get')).body).toBe('saved');
    expect(harness.engine.images.calls.at(-1)).toEqual(['save', 'host:5000/a/b:1']);
    expect((await harness.call('GET', '/containers/web/export')).body).toBe('tarball');
  });

  test('a stream that fails in the middle does not look complete', async () => {
    harness.engine.images.save = async () => {
      let turns = 0;
      return new ReadableStream({
        pull(controller) {
          turns += 1;
          if (turns === 1) controller.enqueue(Buffer.from('half'));
          else controller.error(new TareError('internal', 'disk'));
        },
      });
    };
    await expect(harness.call('GET', '/images/get?names=a')).rejects.toThrow();
  });
});

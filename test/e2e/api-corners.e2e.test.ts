/** Corners of Docker's API into which its clients and their own tests look. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { readTarMembers } from '../../src/archive/tar-members.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { tarBytes } from '../support/tar-bytes.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly message: string;
}

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await daemon.request(method, path, body);
  const text = await response.text();
  const parsed = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, body: parsed, message: String(parsed.message ?? '') };
}

async function create(config: object, query = ''): Promise<string> {
  const { status, body, message } = await call('POST', `/containers/create${query}`, {
    Image: 'busybox',
    ...config,
  });
  expect({ status, message }).toEqual({ status: 201, message: '' });
  return String(body.Id);
}

async function started(config: object): Promise<string> {
  const id = await create(config);
  expect((await call('POST', `/containers/${id}/start`)).status).toBe(204);
  return id;
}

const status = async (id: string): Promise<string> => {
  const { body } = await call('GET', `/containers/${id}/json`);
  return (body.State as { Status: string } | undefined)?.Status ?? 'gone';
};

/** Sends a request to upgrade, ends the own side at once and gives all that comes. */
function upgradeAndEnd(path: string, body: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ path: daemon.socket, allowHalfOpen: true });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('error', reject);
    socket.setTimeout(20_000, () => {
      socket.destroy();
      reject(new Error(`no end after ${Buffer.concat(chunks).toString()}`));
    });
    socket.end(
      `POST ${path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  });
}

test('stdin that ends before the process runs is an end of file for it', async () => {
  const id = await started({ Cmd: ['sleep', '300'] });
  const exec = { AttachStdin: true, AttachStdout: true, Cmd: ['sh', '-c', 'cat && echo over'] };
  const { body } = await call('POST', `/containers/${id}/exec`, exec);
  const all = await upgradeAndEnd(`/exec/${body.Id}/start`, '{"Detach":false,"Tty":false}');
  expect(all.toString()).toContain('101 UPGRADED');
  expect(all.toString()).toContain('over\n');
}, 60_000);

describe('--rm', () => {
  test('a restart keeps the container, a stop removes it', async () => {
    const id = await started({ Cmd: ['sleep', '300'], HostConfig: { AutoRemove: true } });
    expect((await call('POST', `/containers/${id}/restart?t=0`)).status).toBe(204);
    expect(await status(id)).toBe('running');
    expect((await call('POST', `/containers/${id}/stop?t=0`)).status).toBe(204);
    for (let i = 0; i < 100 && (await status(id)) !== 'gone'; i++) await Bun.sleep(50);
    expect(await status(id)).toBe('gone');
  }, 60_000);

  test('does not go with a restart policy, also later', async () => {
    const id = await create({ HostConfig: { AutoRemove: true } });
    const answer = await call('POST', `/containers/${id}/update`, { RestartPolicy: { Name: 'always' } });
    expect(answer).toMatchObject({
      status: 409,
      message: `Cannot update container ${id}: Restart policy cannot be updated because AutoRemove is enabled for the container`,
    });
  });
});

test('a stop right after the start finds the handler of a shell', async () => {
  const id = await started({ Cmd: ['sh', '-c', 'trap "exit 7" TERM; while true; do sleep 0.05; done'] });
  await call('POST', `/containers/${id}/stop`);
  const { body } = await call('POST', `/containers/${id}/wait`);
  expect(body.StatusCode).toBe(7);
}, 60_000);

describe('what create refuses and what it makes of things', () => {
  test.each(['PidMode', 'IpcMode'])('%s of a container that does not exist', async (mode) => {
    const HostConfig = { [mode]: 'container:nobody' };
    const answer = await call('POST', '/containers/create', { Image: 'busybox', HostConfig });
    expect(answer.status).toBe(400);
    expect(answer.message).toContain('No such container: nobody');
  });

  test('a namespace of a container that does not run, or does not share it, cannot be joined', async () => {
    const idle = await create({});
    const joins = await create({ HostConfig: { PidMode: `container:${idle}` } });
    const first = await call('POST', `/containers/${joins}/start`);
    expect(first.message).toContain('failed to join PID namespace');
    expect(first.message).toContain(`${idle} is not running`);
    const donor = await started({ Cmd: ['sleep', '300'], HostConfig: { IpcMode: 'private' } });
    const wants = await create({ HostConfig: { IpcMode: `container:${donor}` } });
    expect((await call('POST', `/containers/${wants}/start`)).message).toContain('non-shareable IPC');
  }, 60_000);

  test.each(['nowhere', 'container:nobody'])('the network %s is no reason to pull', async (NetworkMode) => {
    const body = { Image: 'busybox', HostConfig: { NetworkMode } };
    expect((await call('POST', '/containers/create', body)).status).toBe(400);
  });

  test('a working directory loses its last slash', async () => {
    const { body } = await call('GET', `/containers/${await create({ WorkingDir: '/tmp/' })}/json`);
    expect(body.Config).toMatchObject({ WorkingDir: '/tmp' });
  });

  test('old clients: a shareable ipc namespace, one network', async () => {
    const old = await call('POST', '/v1.39/containers/create', { Image: 'busybox' });
    const { body } = await call('GET', `/containers/${old.body.Id}/json`);
    expect(body.HostConfig).toMatchObject({ IpcMode: 'shareable' });
    const NetworkingConfig = { EndpointsConfig: { bridge: {}, host: {} } };
    const two = await call('POST', '/v1.43/containers/create', { Image: 'busybox', NetworkingConfig });
    expect(two.status).toBe(400);
    expect(two.message).toStartWith('Container cannot be created with multiple network endpoints');
  });
});

test('old clients: mounts below a read-only bind stay writable, and updates know no limit of processes', async () => {
  const below = async (prefix: string): Promise<string> => {
    const { body } = await call('POST', `${prefix}/containers/create`, {
      Image: 'busybox',
      Cmd: ['sh', '-c', 'grep /host/shm /proc/self/mountinfo'],
      HostConfig: { Binds: ['/dev:/host:ro'], PidsLimit: 32 },
    });
    await call('POST', `/containers/${body.Id}/start`);
    await call('POST', `/containers/${body.Id}/wait`);
    const logs = await daemon.request('GET', `/containers/${body.Id}/logs?stdout=1`);
    expect((await call('POST', `${prefix}/containers/${body.Id}/update`, { PidsLimit: 16 })).status).toBe(
      200,
    );
    const { HostConfig } = (await call('GET', `/containers/${body.Id}/json`)).body;
    const flag = / \/host\/shm (r[ow])/.exec(await logs.text())?.[1];
    return `${flag}, ${(HostConfig as { PidsLimit: number }).PidsLimit}`;
  };
  expect([await below('/v1.39'), await below('/v1.51')]).toEqual(['rw, 32', 'ro, 16']);
});

test.each([-1, -2, 0])('a limit of %d processes is none', async (PidsLimit) => {
  const id = await started({ Cmd: ['sleep', '300'], HostConfig: { PidsLimit: 32 } });
  await call('POST', `/containers/${id}/update`, { PidsLimit });
  const { HostConfig } = (await call('GET', `/containers/${id}/json`)).body;
  expect(HostConfig).toMatchObject({ PidsLimit: 0 });
});

test('an exec of a user who is not there is refused before there is a stream', async () => {
  const id = await started({ Cmd: ['sleep', '300'] });
  expect(await call('POST', `/containers/${id}/exec`, { Cmd: ['true'], User: 'nobody-here' })).toMatchObject({
    status: 400,
    message: 'unable to find user nobody-here: no matching entries in passwd file',
  });
});

test('the list of networks has two addresses', async () => {
  for (const path of ['/networks', '/networks/']) expect((await call('GET', path)).status).toBe(200);
});

test('a hardware address of the container is that of its first network, whatever else is asked for there', async () => {
  const MacAddress = '02:42:ac:11:00:42';
  const made = await call('POST', '/networks/create', {
    Name: 'lan',
    IPAM: { Config: [{ Subnet: '10.77.3.0/24' }] },
  });
  const id = await started({
    Cmd: ['sleep', '300'],
    MacAddress,
    HostConfig: { NetworkMode: made.body.Id },
    NetworkingConfig: { EndpointsConfig: { lan: { IPAMConfig: { IPv4Address: '10.77.3.9' } } } },
  });
  const { body } = await call('GET', `/containers/${id}/json`);
  expect(body.NetworkSettings).toMatchObject({ Networks: { lan: { MacAddress, IPAddress: '10.77.3.9' } } });
  const EndpointsConfig = { bridge: { MacAddress } };
  const other = await create({ NetworkingConfig: { EndpointsConfig } });
  expect((await call('GET', `/containers/${other}/json`)).body.Config).toMatchObject({ MacAddress });
});

test.each([
  ['an empty Dockerfile', '', '', 'the Dockerfile (Dockerfile) cannot be empty'],
  ['a Dockerfile of comments', '# nothing\n\n', '', 'file with no instructions'],
  ['an unknown platform', 'FROM busybox', '?platform=foobar', 'unknown operating system or architecture'],
])('build: %s is an answer of its own, not a line of a stream', async (_what, content, query, message) => {
  const context = tarBytes([{ name: 'Dockerfile', content }]);
  const answer = await call('POST', `/build${query}`, context);
  expect(answer.status).toBe(400);
  expect(answer.message).toContain(message);
});

test('the terminal of an exec whose container was killed has no size', async () => {
  const id = await started({ Cmd: ['sleep', '300'] });
  const exec = await call('POST', `/containers/${id}/exec`, { Tty: true, Cmd: ['sleep', '300'] });
  expect((await call('POST', `/exec/${exec.body.Id}/start`, { Detach: true, Tty: true })).status).toBe(200);
  await call('POST', `/containers/${id}/kill`);
  await call('POST', `/containers/${id}/wait`);
  const answer = await call('POST', `/exec/${exec.body.Id}/resize?h=40&w=40`);
  expect(answer.status).toBe(409);
  expect(answer.message).toContain('is not running');
}, 60_000);

test('a container whose stream has ended can be removed', async () => {
  for (let i = 0; i < 5; i++) {
    const id = await create({ Cmd: ['echo', 'plain'] });
    const stream = daemon.request('POST', `/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
    expect((await call('POST', `/containers/${id}/start`)).status).toBe(204);
    expect(await (await stream).text()).toEndWith('plain\n');
    expect((await call('DELETE', `/containers/${id}`)).status).toBe(204);
  }
}, 60_000);

test("an exec has its container's limits, and its terminal the size that comes at once", async () => {
  const Ulimits = [{ Name: 'nofile', Soft: 512, Hard: 512 }];
  const id = await started({ Cmd: ['sleep', '300'], HostConfig: { Ulimits } });
  const script = 'ulimit -n; stty size';
  const { body } = await call('POST', `/containers/${id}/exec`, {
    AttachStdout: true,
    Tty: true,
    Cmd: ['sh', '-c', `sleep 0.3; ${script}`],
  });
  const all = upgradeAndEnd(`/exec/${body.Id}/start`, '{"Detach":false,"Tty":true}');
  for (;;) {
    const resized = await call('POST', `/exec/${body.Id}/resize?h=20&w=50`);
    if (resized.status === 200) break;
    // The request to start may still be on its way.
    expect(resized.message).toContain('is not running');
  }
  expect((await all).toString()).toEndWith('\r\n\r\n512\r\n20 50\r\n');
}, 60_000);

test('commit takes a configuration, and what it leaves open from the container', async () => {
  const id = await create({ Cmd: ['sleep', '300'], Env: ['A=1'], WorkingDir: '/tmp' });
  const config = { Cmd: ['echo', 'x'], Labels: { a: 'b' } };
  const { status: made, body } = await call('POST', `/commit?container=${id}`, config);
  expect(made).toBe(201);
  const image = await call('GET', `/images/${body.Id}/json`);
  expect(image.body.Config).toMatchObject({ ...config, WorkingDir: '/tmp' });
  expect((image.body.Config as { Env: string[] }).Env).toContain('A=1');
});

describe('images', () => {
  test('a tag that reads like a digest is refused', async () => {
    const answer = await call('POST', '/images/busybox/tag?repo=sha256&tag=sometag');
    expect(answer.status).toBe(400);
    expect(answer.message).toContain('ambiguous tag');
  });

  test.each([
    ['macos', 'operating system is not supported'],
    ['windows/amd64', 'operating system is not supported'],
    ['/', 'is an invalid OS component'],
    ['nintendo64', 'unknown operating system or architecture'],
  ])('import for the platform %s: %s', async (platform, words) => {
    const query = `fromSrc=-&repo=other&platform=${encodeURIComponent(platform)}`;
    const answer = await call('POST', `/images/create?${query}`, new Uint8Array(10_240));
    expect(answer.status).toBe(400);
    expect(answer.message).toContain(words);
  });

  test('load: what is no archive is an error in the stream', async () => {
    const response = await daemon.request('POST', '/images/load', new TextEncoder().encode('abc'));
    expect(response.status).toBe(200);
    const lines = (await response.text()).trim().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ errorDetail: { message: expect.any(String) } });
  });

  test('save: the configuration bears the time at which the image was made', async () => {
    const { body } = await call('GET', '/images/busybox/json');
    const config = String(body.Id).replace(':', '/');
    const tar = await daemon.request('GET', '/images/busybox/get');
    let seconds: number | undefined;
    for await (const { entry, body: bytes } of readTarMembers(tar.body!)) {
      for await (const _chunk of bytes);
      if (entry.name === `blobs/${config}`) seconds = entry.seconds;
    }
    expect(seconds).toBe(Math.floor(Date.parse(String(body.Created)) / 1000));
    expect((await call('GET', '/images/busybox/get?platform={}&platform={}')).status).toBe(400);
  });
});

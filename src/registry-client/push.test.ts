/** Pushing, against a registry in this process that can be told to misbehave. */
import { describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { FakeRegistry, onPath } from '../../test/support/fake-registry.ts';
import { TareError } from '../base/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf } from '../oci/digest.ts';
import { parseReference } from '../oci/reference.ts';
import { RegistryClient } from './client.ts';
import type { BlobEvent, BlobSource, RegistryClientConfig, RegistryCredentials } from './registry-client.ts';

const LARGE = randomBytes(20_000_000);
const SMALL = randomBytes(10_000);

const descriptorOf = (bytes: Uint8Array): Descriptor => ({
  mediaType: 'application/octet-stream',
  digest: digestOf(bytes),
  size: bytes.byteLength,
});

/** A blob of these bytes; `known`: its digest is known before it is read. */
function source(
  bytes: Uint8Array,
  options: { known?: boolean; mountFrom?: string[]; events?: BlobEvent[]; opened?: () => void } = {},
): BlobSource {
  const descriptor = descriptorOf(bytes);
  return {
    key: descriptor.digest,
    known: () => (options.known ? [descriptor] : []),
    mountFrom: () => options.mountFrom ?? [],
    open: () => {
      options.opened?.();
      let current = 0;
      const pieces = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.byteLength; at += 1_000_000) {
          const piece = bytes.subarray(at, at + 1_000_000);
          current += piece.byteLength;
          yield piece;
        }
      };
      return {
        bytes: pieces(),
        ...(options.known ? { descriptor } : {}),
        described: Promise.resolve(descriptor),
        progress: () => ({ current, total: bytes.byteLength }),
      };
    },
    report: (event) => void options.events?.push(event),
  };
}

async function open(
  registry: FakeRegistry,
  options: { auth?: RegistryCredentials; signal?: AbortSignal; config?: RegistryClientConfig } = {},
) {
  const client = new RegistryClient({ retryDelayMs: 1, maxAttempts: 3, ...options.config });
  return client.openPush(parseReference(`${registry.host}/app:v1`), {
    ...(options.auth === undefined ? {} : { auth: options.auth }),
    signal: options.signal ?? new AbortController().signal,
  });
}

async function failureOf(promise: Promise<unknown>): Promise<{ kind: string; message: string }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof TareError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

function stored(registry: FakeRegistry, bytes: Uint8Array): boolean {
  return Buffer.from(registry.blobs.get(digestOf(bytes)) ?? []).equals(Buffer.from(bytes));
}

describe('a blob', () => {
  test('that nobody knows is streamed in one request while it is made', async () => {
    await using registry = await FakeRegistry.start();
    const events: BlobEvent[] = [];
    const pushed = await (await open(registry)).blob(source(LARGE, { events }));
    expect(pushed).toEqual({ descriptor: descriptorOf(LARGE), how: 'sent' });
    expect(registry.writing.log).toEqual(['POST app', 'PATCH stream', 'PUT 0']);
    expect(stored(registry, LARGE)).toBe(true);
    expect(events.at(-1)).toEqual({ state: 'pushing', current: LARGE.byteLength, total: LARGE.byteLength });
  });

  test('that is small and known goes in one request', async () => {
    await using registry = await FakeRegistry.start();
    await (await open(registry)).blob(source(SMALL, { known: true }));
    expect(registry.writing.log).toEqual(['HEAD app', 'POST app', `PUT ${SMALL.byteLength}`]);
    expect(stored(registry, SMALL)).toBe(true);
  });

  test('that is there is not opened', async () => {
    await using registry = await FakeRegistry.start();
    const push = await open(registry);
    await push.blob(source(SMALL));
    const opened = () => expect.unreachable();
    expect((await push.blob(source(SMALL, { known: true, opened }))).how).toBe('there');
  });

  test('that another repository has is mounted', async () => {
    await using registry = await FakeRegistry.start();
    const { digest } = registry.blob(SMALL);
    registry.writing.owned.add(`base ${digest}`);
    const mountFrom = ['gone', 'base'];
    const pushed = await (await open(registry)).blob(source(SMALL, { known: true, mountFrom }));
    expect(pushed).toMatchObject({ how: 'mounted', from: 'base' });
    expect(registry.writing.log).toEqual([
      'HEAD app',
      'POST app mount from gone',
      'POST app mount from base',
    ]);
  });

  test('that cannot be mounted uses the upload that the registry opened instead', async () => {
    await using registry = await FakeRegistry.start();
    const { digest } = registry.blob(SMALL);
    registry.writing.owned.add(`base ${digest}`);
    registry.writing.refusesMounts = true;
    await (await open(registry)).blob(source(SMALL, { known: true, mountFrom: ['base'] }));
    expect(registry.writing.log).toEqual(['HEAD app', 'POST app mount from base', `PUT ${SMALL.byteLength}`]);
  });

  test('that two pushes want is sent once', async () => {
    await using registry = await FakeRegistry.start();
    const push = await open(registry);
    let known = false;
    const shared = { ...source(LARGE), known: () => (known ? [descriptorOf(LARGE)] : []) };
    const events: BlobEvent[] = [];
    const first = push.blob(shared).finally(() => {
      known = true;
    });
    const joined = push.blob({ ...shared, report: (event) => void events.push(event) });
    const [one, other] = await Promise.all([first, joined]);
    expect(events).toContainEqual({
      state: 'pushing',
      current: LARGE.byteLength,
      total: LARGE.byteLength,
    });
    expect([one.how, other.how].sort()).toEqual(['sent', 'there']);
    expect(registry.writing.log.filter((line) => line.startsWith('PATCH'))).toHaveLength(1);
  });

  test('waits for a slot and says so', async () => {
    await using registry = await FakeRegistry.start();
    const push = await open(registry, { config: { maxConcurrentUploads: 1 } });
    const events: BlobEvent[] = [];
    await Promise.all([push.blob(source(LARGE)), push.blob(source(SMALL, { events }))]);
    expect(events[0]).toEqual({ state: 'waiting' });
    expect(registry.writing.log).toEqual([
      ...['POST app', 'PATCH stream', 'PUT 0'],
      ...['POST app', 'PATCH stream', 'PUT 0'],
    ]);
  });
});

describe('an upload that was cut', () => {
  /** Cuts the connection of the next PATCH after so many bytes; the registry keeps them. */
  function cutAfter(registry: FakeRegistry, bytes: number): void {
    let done = false;
    registry.faults.push((request) => {
      if (done || request.method !== 'PATCH') return false;
      done = true;
      let seen = 0;
      request.on('data', (chunk: Buffer) => {
        seen += chunk.byteLength;
        if (seen > bytes) request.socket.destroy();
      });
      return false;
    });
  }

  test('goes on in chunks from where the registry says', async () => {
    await using registry = await FakeRegistry.start();
    cutAfter(registry, 3_000_000);
    let opened = 0;
    await (await open(registry)).blob(source(LARGE, { opened: () => void opened++ }));
    expect(stored(registry, LARGE)).toBe(true);
    expect(opened).toBe(2);
    const { log } = registry.writing;
    const [, first = ''] = /^PATCH (\d+)-/.exec(log.find((line) => /^PATCH \d/.test(line)) ?? '') ?? [];
    expect(Number(first)).toBeGreaterThan(3_000_000);
    expect(log.filter((line) => line === 'POST app')).toHaveLength(1);
    expect(log.filter((line) => /^PATCH \d/.test(line)).length).toBeGreaterThan(1);
  });

  test('goes on again after a cut of a chunk, and takes the size of chunks that the registry wants', async () => {
    await using registry = await FakeRegistry.start();
    registry.writing.minimumChunk = 12_000_000;
    cutAfter(registry, 1_000_000);
    await (await open(registry)).blob(source(LARGE));
    const chunk = registry.writing.log.map((line) => /^PATCH (\d+)-(\d+)/.exec(line)).find((match) => match);
    expect(Number(chunk?.[2]) - Number(chunk?.[1]) + 1).toBe(12_000_000);
    expect(stored(registry, LARGE)).toBe(true);
  });

  test('begins anew when the registry has forgotten it', async () => {
    await using registry = await FakeRegistry.start();
    cutAfter(registry, 3_000_000);
    registry.faults.push((request) => {
      if (request.method === 'GET' && request.url?.includes('/uploads/')) registry.writing.uploads.clear();
      return false;
    });
    await (await open(registry)).blob(source(LARGE));
    expect(registry.writing.log.filter((line) => line === 'POST app')).toHaveLength(2);
    expect(stored(registry, LARGE)).toBe(true);
  });

  test('ends with the error when it does not get on', async () => {
    await using registry = await FakeRegistry.start();
    registry.faults.push((request) => {
      if (request.method === 'PATCH') request.socket.destroy();
      return request.method === 'PATCH';
    });
    const error = await failureOf((await open(registry)).blob(source(LARGE)));
    expect(error.kind).toBe('unavailable');
    expect(registry.seen.filter(({ method }) => method === 'PATCH').length).toBe(3);
  });

  test('is not repeated when what is to be sent cannot be read', async () => {
    await using registry = await FakeRegistry.start();
    const broken: BlobSource = {
      ...source(LARGE),
      open: () => ({
        bytes: (async function* () {
          yield SMALL;
          throw new TareError('corrupt', 'the layer was changed on disk');
        })(),
        described: new Promise(() => {}),
        progress: () => ({ current: 0, total: 0 }),
      }),
    };
    const error = await failureOf((await open(registry)).blob(broken));
    expect(error).toMatchObject({ kind: 'corrupt' });
    expect(error.message).toContain('the layer was changed on disk');
  });
});

describe('tokens', () => {
  const USER = { username: 'u', password: 'p' };

  async function withTokens(): Promise<FakeRegistry> {
    const registry = await FakeRegistry.start();
    registry.auth = 'token';
    registry.user = { name: USER.username, password: USER.password };
    return registry;
  }

  test('are asked for with the right to push, and for a mount with the right to pull there', async () => {
    await using registry = await withTokens();
    registry.writing.owned.add(`base ${registry.blob(SMALL).digest}`);
    const push = await open(registry, { auth: USER });
    await push.blob(source(SMALL, { known: true, mountFrom: ['base'] }));
    await push.manifest('v1', 'application/json', SMALL);
    const scopes = registry.tokenRequests.map((line) =>
      new URLSearchParams(line.split(' ')[1]).getAll('scope'),
    );
    expect(scopes).toEqual([
      ['repository:app:pull,push'],
      ['repository:app:pull,push', 'repository:base:pull'],
    ]);
  });

  test('that expire in the middle are replaced, also when a stream was refused', async () => {
    await using registry = await withTokens();
    registry.faults.push((request) => {
      if (request.method === 'PATCH' && registry.tokenRequests.length === 1) registry.tokens.clear();
      return false;
    });
    await (await open(registry, { auth: USER })).blob(source(LARGE));
    expect(stored(registry, LARGE)).toBe(true);
    expect(registry.tokenRequests).toHaveLength(2);
  });

  test('are not sent to where an upload leads away', async () => {
    await using registry = await withTokens();
    await using storage = await FakeRegistry.start();
    registry.faults.push(
      onPath('/blobs/uploads/', 1, (response) => {
        storage.writing.uploads.set('u9', { repository: 'app', bytes: Buffer.alloc(0) });
        response.writeHead(202, { Location: `http://${storage.host}/v2/app/blobs/uploads/u9` }).end();
      }),
    );
    await (await open(registry, { auth: USER })).blob(source(LARGE));
    expect(storage.seen.map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
    expect(stored(storage, LARGE)).toBe(true);
  });

  test("that do not allow it give dockerd's words", async () => {
    await using registry = await FakeRegistry.start();
    registry.faults.push(
      onPath('/blobs/uploads/', 9, (response) => {
        response.writeHead(403, { 'Content-Type': 'application/json' });
        response.end('{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}');
      }),
    );
    expect(await failureOf((await open(registry)).blob(source(LARGE)))).toMatchObject({
      kind: 'forbidden',
      message: 'denied: requested access to the resource is denied',
    });
    await using closed = await FakeRegistry.start();
    closed.auth = 'basic';
    closed.user = { name: 'u', password: 'p' };
    const error = await failureOf((await open(closed)).blob(source(LARGE)));
    expect(error).toMatchObject({ kind: 'unauthorized' });
    expect(error.message).toEndWith('no basic auth credentials');
  });
});

describe('a busy registry', () => {
  test.each([429, 503])('that answers %d is asked again after the time it names', async (status) => {
    await using registry = await FakeRegistry.start();
    const times: number[] = [];
    registry.faults.push((request, response) => {
      if (request.method !== 'POST' && request.method !== 'PUT') return false;
      times.push(performance.now());
      if (times.length > 1) return false;
      response.writeHead(status, { 'Retry-After': '1' }).end();
      return true;
    });
    await (await open(registry)).blob(source(SMALL, { known: true }));
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(900);
    expect(stored(registry, SMALL)).toBe(true);
  });

  test('gets the manifest again, too', async () => {
    await using registry = await FakeRegistry.start();
    registry.faults.push(onPath('/manifests/', 2, (response) => void response.writeHead(500).end()));
    await (await open(registry)).manifest('v1', 'application/json', SMALL);
    expect(registry.manifests.get('app:v1')?.bytes).toEqual(new Uint8Array(SMALL));
  });

  test('that goes silent is given up in time', async () => {
    await using registry = await FakeRegistry.start();
    registry.faults.push((request) => request.method === 'PATCH');
    const push = await open(registry, { config: { idleTimeoutMs: 50, maxAttempts: 1 } });
    expect((await failureOf(push.blob(source(LARGE)))).kind).toBe('timeout');
  });

  test('is left at once by who gives up', async () => {
    await using registry = await FakeRegistry.start();
    registry.faults.push((request) => request.method === 'PATCH');
    const controller = new AbortController();
    const push = await open(registry, { signal: controller.signal });
    const sending = failureOf(push.blob(source(LARGE)));
    while (!registry.seen.some(({ method }) => method === 'PATCH')) await Bun.sleep(1);
    controller.abort();
    expect((await sending).kind).toBe('cancelled');
  });
});

test('a registry that stores another digest is told', async () => {
  await using registry = await FakeRegistry.start();
  registry.faults.push((request, response) => {
    if (request.method !== 'PUT') return false;
    request.resume().on('end', () => {
      response.writeHead(201, { 'Docker-Content-Digest': digestOf('other') }).end();
    });
    return true;
  });
  const error = await failureOf((await open(registry)).blob(source(SMALL, { known: true })));
  expect(error).toMatchObject({ kind: 'corrupt' });
});

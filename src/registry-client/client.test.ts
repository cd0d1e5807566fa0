import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { errorBody, FakeRegistry, onPath } from '../../test/support/fake-registry.ts';
import { MemoryContent } from '../../test/support/memory-content.ts';
import { TareError } from '../base/errors.ts';
import { digestOf } from '../oci/digest.ts';
import { MANIFEST_LIMIT, MEDIA_TYPES } from '../oci/manifest.ts';
import { parsePlatform } from '../oci/platform.ts';
import { parseReference } from '../oci/reference.ts';
import { RegistryClient } from './client.ts';
import type { FetchEvent, FetchOptions } from './registry-client.ts';

/** Waits are short here; a server that stays silent is given up soon. */
const CONFIG = { retryDelayMs: 1, connectTimeoutMs: 2000, idleTimeoutMs: 2000 };
const LAYERS = [randomBytes(300_000), randomBytes(200_000), randomBytes(1000)];

let registry: FakeRegistry;
let client: RegistryClient;
let content: MemoryContent;
let events: FetchEvent[];

beforeEach(async () => {
  registry = await FakeRegistry.start();
  client = new RegistryClient(CONFIG);
  content = new MemoryContent();
  events = [];
});

afterEach(() => registry[Symbol.asyncDispose]());

function fetchImage(name: string, options: Partial<FetchOptions> = {}) {
  const signal = new AbortController().signal;
  const reference = parseReference(`${registry.host}/${name}`);
  return client.fetchImage(reference, { report: (event) => events.push(event), signal, ...options }, content);
}

async function fetchAll(name: string, options: Partial<FetchOptions> = {}) {
  const image = await fetchImage(name, options);
  await image.done;
  return image;
}

async function failureOf(work: Promise<unknown>): Promise<TareError> {
  const error = await work.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TareError)) throw error;
  return error;
}

function onlyLayer(bytes: Uint8Array = LAYERS[0] ?? new Uint8Array()) {
  const image = registry.image('app', 'latest', [bytes]);
  const descriptor = image.manifest.layers[0];
  if (descriptor === undefined) throw new Error('no layer');
  return descriptor;
}

describe('fetches', () => {
  test('an image: manifest, config and layers are in the store', async () => {
    const made = registry.image('team/app', 'v1', LAYERS);
    const held: string[] = [];
    const image = await fetchAll('team/app:v1', { hold: (digest) => held.push(digest) });
    expect(image.digest).toBe(made.digest);
    expect(image.manifestDigest).toBe(made.digest);
    expect(image.layers.map((layer) => layer.descriptor.digest)).toEqual(
      made.manifest.layers.map((l) => l.digest),
    );
    expect(image.layers.map((layer) => layer.diffId)).toEqual(LAYERS.map((layer) => digestOf(layer)));
    const stored = [...content.blobs.keys()].sort();
    const wanted = [
      made.digest,
      made.manifest.config.digest,
      ...made.manifest.layers.map((l) => l.digest),
    ].sort();
    expect(stored).toEqual(wanted);
    expect(held.sort()).toEqual(wanted);
    expect(content.open.size).toBe(0);
    expect(events[0]).toEqual({ id: 'v1', status: 'Pulling from team/app' });
    const first = made.manifest.layers[0]?.digest.slice(7, 19);
    expect(
      events.filter((event) => event.id === first && event.current === undefined).map((e) => e.status),
    ).toEqual(['Pulling fs layer', 'Verifying Checksum', 'Download complete']);
    const size = made.manifest.layers[0]?.size ?? 0;
    expect(events).toContainEqual({ id: first ?? '', status: 'Downloading', current: size, total: size });
  });

  test('again without asking for blobs, and by digest', async () => {
    const made = registry.image('app', 'latest', LAYERS);
    await fetchAll('app');
    registry.seen.length = 0;
    const image = await fetchAll(`app@${made.digest}`);
    expect(image.manifestDigest).toBe(made.digest);
    expect(registry.seen.map((request) => request.path)).toEqual([`/v2/app/manifests/${made.digest}`]);
    expect(events.filter((event) => event.status === 'Already exists')).toHaveLength(3);
  });

  test('not the layers that the caller has', async () => {
    const made = registry.image('app', 'latest', LAYERS);
    const asked: number[] = [];
    const image = await fetchAll('app', {
      skipLayer: (diffId, index, diffIds) => {
        asked.push(index);
        expect(diffIds[index]).toBe(diffId);
        return index === 0;
      },
    });
    expect(asked).toEqual([0, 1, 2]);
    expect(image.layers.map((layer) => layer.skipped)).toEqual([true, false, false]);
    expect(content.size(made.manifest.layers[0]?.digest ?? '')).toBeUndefined();
  });

  test('the manifest of the platform from an index, and names the index', async () => {
    const amd = registry.image('app', undefined, LAYERS, 'amd64');
    const arm = registry.image('app', undefined, [LAYERS[2] ?? LAYERS[0]!], 'arm64');
    const index = registry.document(
      'app',
      {
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociIndex,
        manifests: [
          {
            mediaType: amd.mediaType,
            digest: amd.digest,
            size: amd.size,
            platform: { os: 'linux', architecture: 'amd64' },
          },
          {
            mediaType: arm.mediaType,
            digest: arm.digest,
            size: arm.size,
            platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
          },
        ],
      },
      MEDIA_TYPES.ociIndex,
      'latest',
    );
    const image = await fetchAll('app', { platform: parsePlatform('linux/arm64') });
    expect(image.digest).toBe(index.digest);
    expect(image.manifestDigest).toBe(arm.digest);
    expect(image.documents.map((document) => document.digest)).toEqual([index.digest, arm.digest]);
    expect(content.size(index.digest)).toBe(index.size);
    const error = await failureOf(fetchAll('app', { platform: parsePlatform('linux/s390x') }));
    expect(error.kind).toBe('not-found');
    expect(error.message).toBe('no matching manifest for linux/s390x in the manifest list entries');
  });

  test('layers one after another, so that unpacking can start before the end', async () => {
    const made = registry.image('app', 'latest', LAYERS);
    const gate = Promise.withResolvers<void>();
    const last = made.manifest.layers[2]?.digest ?? '';
    registry.faults.push((request, response, path) => {
      if (!path.endsWith(last) || request.headers['x-passed']) return false;
      gate.promise.then(() => response.end(registry.blobs.get(last)));
      return true;
    });
    const image = await fetchImage('app');
    await image.layers[0]?.ready;
    expect(content.size(last)).toBeUndefined();
    gate.resolve();
    await image.done;
    expect(content.size(last)).toBeDefined();
  });

  test('a blob that two fetches want only once', async () => {
    const layer = onlyLayer();
    await Promise.all([fetchAll('app'), fetchAll('app'), fetchAll('app')]);
    expect(registry.paths().filter((path) => path.endsWith(layer.digest))).toHaveLength(1);
  });

  test('three blobs at a time', async () => {
    registry.image(
      'app',
      'latest',
      Array.from({ length: 8 }, () => randomBytes(100)),
    );
    let running = 0;
    let most = 0;
    registry.faults.push((request, response, path) => {
      if (!path.includes('/blobs/')) return false;
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        const digest = path.slice(path.lastIndexOf('/') + 1);
        response.end(request.method === 'GET' ? registry.blobs.get(digest) : undefined);
      }, 5);
      return true;
    });
    await fetchAll('app');
    expect(most).toBe(3);
  });
});

describe('authorization', () => {
  const user = { name: 'jane', password: 'pa:ss' };
  const auth = { username: user.name, password: user.password };

  test('anonymous tokens, one for all requests', async () => {
    registry.auth = 'token';
    registry.image('app', 'latest', LAYERS);
    await fetchAll('app');
    expect(registry.tokenRequests).toEqual(['GET ?service=fake&scope=repository%3Aapp%3Apull ']);
    expect(registry.seen.filter((request) => request.authorization === undefined).map((r) => r.path)).toEqual(
      ['/v2/', '/token'],
    );
  });

  test('tokens for a user, kept for the next fetch and replaced when refused', async () => {
    registry.auth = 'token';
    registry.user = user;
    registry.image('app', 'latest', LAYERS);
    await fetchAll('app', { auth });
    expect(registry.tokenRequests[0]).toContain('account=jane');
    await fetchAll('app', { auth });
    expect(registry.tokenRequests).toHaveLength(1);
    registry.tokens.clear();
    await fetchAll('app', { auth });
    expect(registry.tokenRequests).toHaveLength(2);
  });

  test('a token that expires while layers come in is replaced once, and nothing fails', async () => {
    registry.auth = 'token';
    registry.refreshToken = 'next';
    const { manifest } = registry.image('app', 'latest', LAYERS);
    let waiting: (() => void)[] | undefined = [];
    // All layers are asked for with the same token before the first is refused.
    registry.faults.push((request, response, path) => {
      if (waiting === undefined || !manifest.layers.some((layer) => path.endsWith(layer.digest)))
        return false;
      expect(request.headers.authorization).toBe('Bearer token-1');
      waiting.push(() => response.writeHead(401, { 'WWW-Authenticate': challenge }).end());
      if (waiting.length < LAYERS.length) return true;
      registry.tokens.clear();
      for (const refuse of waiting) refuse();
      waiting = undefined;
      return true;
    });
    const challenge = `Bearer realm="http://${registry.host}/token",service="fake"`;
    await fetchAll('app', { auth: { identityToken: 'first' } });
    expect(registry.tokenRequests).toHaveLength(2);
    // The server may have made the first one void when it gave the second.
    expect(registry.tokenRequests[1]).toContain('refresh_token=next');
  });

  test('identity tokens are exchanged by POST, registry tokens sent as they are', async () => {
    registry.auth = 'token';
    registry.image('app', 'latest', LAYERS);
    await fetchAll('app', { auth: { username: '<token>', identityToken: 'refresh-me' } });
    expect(registry.tokenRequests[0]).toMatch(/^POST .*grant_type=refresh_token.*refresh_token=refresh-me/);
    registry.tokens.add('mine');
    await fetchAll('app', { auth: { registryToken: 'mine' } });
    expect(registry.tokenRequests).toHaveLength(1);
  });

  test('Basic', async () => {
    registry.auth = 'basic';
    registry.user = user;
    registry.image('app', 'latest', LAYERS);
    await fetchAll('app', { auth });
    const none = await failureOf(fetchAll('app'));
    expect(none.kind).toBe('unauthorized');
    expect(none.message).toBe(
      `Get "http://${registry.host}/v2/app/manifests/latest": no basic auth credentials`,
    );
    const wrong = await failureOf(fetchAll('app', { auth: { username: 'jane', password: 'x' } }));
    expect(wrong.kind).toBe('unauthorized');
    expect(wrong.message).toContain('unauthorized: authentication required');
  });

  test('a wrong password at the token server', async () => {
    registry.auth = 'token';
    registry.user = user;
    registry.image('app', 'latest', LAYERS);
    const error = await failureOf(fetchAll('app', { auth: { username: 'jane', password: 'x' } }));
    expect(error.kind).toBe('unauthorized');
    expect(error.message).toContain('unauthorized: incorrect username or password');
    await fetchAll('app', { auth });
  });

  test('access denied in the words of Docker', async () => {
    registry.faults.push(
      onPath('/manifests/', 9, (response) => {
        response.setHeader(
          'WWW-Authenticate',
          `Bearer realm="http://${registry.host}/token",error="insufficient_scope"`,
        );
        response.writeHead(401).end(errorBody('UNAUTHORIZED', 'authentication required'));
      }),
    );
    const error = await failureOf(fetchAll('secret/app'));
    expect(error.kind).toBe('not-found');
    expect(error.message).toBe(
      `pull access denied for ${registry.host}/secret/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    );
  });

  test('redirects to another host do not carry the token', async () => {
    registry.auth = 'token';
    const layer = onlyLayer();
    await using storage = await FakeRegistry.start();
    storage.blobs.set(layer.digest, registry.blobs.get(layer.digest) ?? new Uint8Array());
    registry.faults.push(
      onPath(layer.digest, 1, (response) =>
        response.writeHead(307, { Location: `http://${storage.host}/v2/x/blobs/${layer.digest}` }).end(),
      ),
    );
    await fetchAll('app');
    expect(storage.seen).toEqual([
      { method: 'GET', path: `/v2/x/blobs/${layer.digest}`, authorization: undefined, range: undefined },
    ]);
    const sent = registry.seen.find((request) => request.path.endsWith(layer.digest));
    expect(sent?.authorization).toStartWith('Bearer ');
  });

  test('redirects within the host keep it', async () => {
    registry.auth = 'token';
    const layer = onlyLayer();
    registry.faults.push(
      onPath(layer.digest, 1, (response) =>
        response.writeHead(302, { Location: `/v2/other/blobs/${layer.digest}` }).end(),
      ),
    );
    await fetchAll('app');
    expect(registry.seen.at(-1)?.authorization).toStartWith('Bearer ');
  });
});

describe('survives', () => {
  test('cuts, by asking for the rest', async () => {
    const layer = onlyLayer();
    const bytes = registry.blobs.get(layer.digest) ?? new Uint8Array();
    registry.faults.push(
      onPath(layer.digest, 1, (response) => {
        response.writeHead(200, { 'Content-Length': bytes.byteLength });
        response.write(bytes.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
      }),
    );
    await fetchAll('app');
    const ranges = registry.seen.filter((r) => r.path.endsWith(layer.digest)).map((r) => r.range);
    expect(ranges).toEqual([undefined, 'bytes=100000-']);
  });

  test('a cut in an earlier fetch', async () => {
    const layer = onlyLayer();
    const bytes = registry.blobs.get(layer.digest) ?? new Uint8Array();
    content.partial.set(`pull:${layer.digest}`, [bytes.slice(0, 5000)]);
    await fetchAll('app');
    expect(registry.seen.find((r) => r.path.endsWith(layer.digest))?.range).toBe('bytes=5000-');
  });

  test('a server that ignores ranges', async () => {
    const layer = onlyLayer();
    const bytes = registry.blobs.get(layer.digest) ?? new Uint8Array();
    content.partial.set(`pull:${layer.digest}`, [bytes.slice(0, 70_000)]);
    registry.faults.push(
      onPath(layer.digest, 1, (response) =>
        response.writeHead(200, { 'Content-Length': bytes.byteLength }).end(bytes),
      ),
    );
    await fetchAll('app');
    expect(digestOf(content.blobs.get(layer.digest) ?? '')).toBe(layer.digest);
  });

  test('a server that lies about ranges, and what is wrong from an earlier fetch', async () => {
    const layer = onlyLayer();
    const bytes = registry.blobs.get(layer.digest) ?? new Uint8Array();
    content.partial.set(`pull:${layer.digest}`, [bytes.slice(0, 70_000)]);
    registry.faults.push(
      onPath(layer.digest, 1, (response) =>
        response
          .writeHead(206, { 'Content-Range': `bytes 0-9/${bytes.byteLength}` })
          .end(bytes.subarray(0, 10)),
      ),
    );
    await fetchAll('app');
    await content.remove(layer.digest);
    content.partial.set(`pull:${layer.digest}`, [randomBytes(70_000)]);
    await fetchAll('app');
    await content.remove(layer.digest);
    content.partial.set(`pull:${layer.digest}`, [randomBytes(bytes.byteLength + 1)]);
    await fetchAll('app');
    expect(digestOf(content.blobs.get(layer.digest) ?? '')).toBe(layer.digest);
  });

  test('429 and 503 for a while, for manifests and blobs', async () => {
    const layer = onlyLayer();
    for (const part of ['/manifests/', layer.digest]) {
      registry.faults.push(
        onPath(part, 1, (response) => response.writeHead(429, { 'Retry-After': '0' }).end()),
      );
      registry.faults.push(onPath(part, 1, (response) => response.writeHead(503).end('busy')));
    }
    await fetchAll('app');
    expect(registry.paths().filter((path) => path.includes('/manifests/'))).toHaveLength(3);
  });

  test('429, after the time that it names', async () => {
    onlyLayer();
    const times: number[] = [];
    registry.faults.push(
      onPath('/manifests/', 1, (response) => {
        times.push(performance.now());
        response.writeHead(429, { 'Retry-After': '1' }).end();
      }),
      (_request, _response, path) => {
        if (path.includes('/manifests/')) times.push(performance.now());
        return false;
      },
    );
    await fetchAll('app');
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(900);
  });

  test('connections that are reset', async () => {
    const layer = onlyLayer();
    registry.faults.push(
      onPath('/manifests/', 1, (_response, request) => void request.socket.resetAndDestroy()),
    );
    registry.faults.push(
      onPath(layer.digest, 1, (_response, request) => void request.socket.resetAndDestroy()),
    );
    await fetchAll('app');
    expect(content.size(layer.digest)).toBe(layer.size);
  });

  test('a server that goes silent in the middle', async () => {
    client = new RegistryClient({ ...CONFIG, idleTimeoutMs: 100 });
    const layer = onlyLayer();
    const bytes = registry.blobs.get(layer.digest) ?? new Uint8Array();
    registry.faults.push(
      onPath(layer.digest, 1, (response) => {
        response.writeHead(200, { 'Content-Length': bytes.byteLength });
        response.write(bytes.subarray(0, 1000));
      }),
    );
    await fetchAll('app');
    expect(registry.seen.at(-1)?.range).toBe('bytes=1000-');
  });
});

describe('refuses', () => {
  test('unknown tags and repositories', async () => {
    registry.image('app', 'latest', LAYERS);
    const tag = await failureOf(fetchAll('app:nosuch'));
    expect([tag.kind, tag.message]).toEqual([
      'not-found',
      `manifest for ${registry.host}/app:nosuch not found: manifest unknown: manifest unknown`,
    ]);
    const repository = await failureOf(fetchAll('nosuch'));
    expect([repository.kind, repository.message]).toEqual([
      'not-found',
      `repository ${registry.host}/nosuch not found: name unknown: repository name not known to registry`,
    ]);
  });

  test('a blob with the wrong bytes, and leaves nothing', async () => {
    const layer = onlyLayer();
    const bytes = (registry.blobs.get(layer.digest) ?? new Uint8Array()).slice();
    bytes[500] = (bytes[500] ?? 0) ^ 1;
    registry.blobs.set(layer.digest, bytes);
    const image = await fetchImage('app');
    const error = await failureOf(image.layers[0]?.ready ?? Promise.resolve());
    expect(error.kind).toBe('corrupt');
    expect(error.message).toStartWith(`filesystem layer verification failed for digest ${layer.digest}`);
    expect(await failureOf(image.done)).toBe(error);
    expect(content.size(layer.digest)).toBeUndefined();
    expect(content.partial.size).toBe(0);
    expect(content.open.size).toBe(0);
  });

  test.each([
    ['too long, announced', true, 10],
    ['too long, not announced', false, 10],
    ['too short, announced', true, -10],
  ])('a blob that is %s', async (_name, announced, difference) => {
    const layer = onlyLayer();
    const bytes = Buffer.concat([registry.blobs.get(layer.digest) ?? new Uint8Array(), Buffer.alloc(10)]);
    const sent = bytes.subarray(0, layer.size + difference);
    registry.faults.push(
      onPath(layer.digest, 99, (response) => {
        response.writeHead(200, announced ? { 'Content-Length': sent.byteLength } : {});
        response.end(sent);
      }),
    );
    const error = await failureOf(fetchAll('app'));
    expect(error.kind).toBe('corrupt');
    expect(content.size(layer.digest)).toBeUndefined();
    expect(content.partial.size).toBe(0);
  });

  test('a server that cuts every time, but keeps what came', async () => {
    const layer = onlyLayer();
    const bytes = registry.blobs.get(layer.digest) ?? new Uint8Array();
    registry.faults.push(
      onPath(layer.digest, 99, (response, request) => {
        const from = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
        response.writeHead(from === 0 ? 200 : 206, {
          'Content-Length': layer.size - from,
          'Content-Range': `bytes ${from}-${layer.size - 1}/${layer.size}`,
        });
        response.write(bytes.subarray(from, from + 10), () => setTimeout(() => response.destroy(), 10));
      }),
    );
    const error = await failureOf(fetchAll('app'));
    expect(error.kind).toBe('unavailable');
    expect(error.message).toContain('connection reset by peer');
    expect(registry.seen.filter((r) => r.path.endsWith(layer.digest)).map((r) => r.range)).toEqual([
      undefined,
      'bytes=10-',
      'bytes=20-',
      'bytes=30-',
      'bytes=40-',
    ]);
    registry.faults.length = 0;
    await fetchAll('app');
    expect(registry.seen.at(-1)?.range).toBe('bytes=50-');
  });

  test('a missing blob', async () => {
    const layer = onlyLayer();
    registry.blobs.delete(layer.digest);
    const error = await failureOf(fetchAll('app'));
    expect([error.kind, error.message.endsWith('blob unknown: blob unknown to registry')]).toEqual([
      'not-found',
      true,
    ]);
  });

  test('a manifest under a wrong digest', async () => {
    const made = registry.image('app', undefined, LAYERS);
    const other = registry.image('app', undefined, [LAYERS[1] ?? LAYERS[0]!]);
    const lie = registry.manifests.get(`app@${other.digest}`);
    if (lie !== undefined) registry.manifests.set(`app@${made.digest}`, lie);
    const error = await failureOf(fetchAll(`app@${made.digest}`));
    expect([error.kind, error.message]).toEqual([
      'corrupt',
      `manifest verification failed for digest ${made.digest}`,
    ]);
  });

  test('a manifest that is no JSON, too large, or foreign', async () => {
    const put = (bytes: Uint8Array) =>
      registry.manifests.set('app:latest', { bytes, mediaType: MEDIA_TYPES.ociManifest });
    put(new TextEncoder().encode('<html>'));
    expect((await failureOf(fetchAll('app'))).message).toContain('invalid manifest: it is not JSON');
    put(new Uint8Array(MANIFEST_LIMIT + 1));
    expect((await failureOf(fetchAll('app'))).message).toContain(`larger than ${MANIFEST_LIMIT} bytes`);
    const { manifest } = registry.image('app', 'latest', LAYERS);
    const layers = [{ ...manifest.layers[0], mediaType: MEDIA_TYPES.dockerForeignLayerGzip }];
    registry.document('app', { ...manifest, layers }, MEDIA_TYPES.ociManifest, 'latest');
    expect((await failureOf(fetchAll('app'))).message).toContain('foreign layers are not supported');
  });

  test('an image whose config counts other layers', async () => {
    const { manifest } = registry.image('app', 'latest', LAYERS);
    registry.document(
      'app',
      { ...manifest, layers: manifest.layers.slice(1) },
      MEDIA_TYPES.ociManifest,
      'latest',
    );
    expect((await failureOf(fetchAll('app'))).message).toBe('invalid image: 2 layers, but 3 diff IDs');
  });

  test.each([6, 1000])('an index in an index, %d deep', async (depth) => {
    let inner = registry.image('app', undefined, LAYERS) as {
      mediaType: string;
      digest: string;
      size: number;
    };
    for (let i = 0; i < depth; i++) {
      const { mediaType, digest, size } = inner;
      inner = registry.document(
        'app',
        { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [{ mediaType, digest, size }] },
        MEDIA_TYPES.ociIndex,
        'latest',
      );
    }
    expect((await failureOf(fetchAll('app'))).message).toContain('nested more than 4 deep');
  });

  test('a redirect loop', async () => {
    const layer = onlyLayer();
    registry.faults.push(
      onPath(layer.digest, 99, (response) =>
        response.writeHead(302, { Location: `/v2/app/blobs/${layer.digest}` }).end(),
      ),
    );
    expect((await failureOf(fetchAll('app'))).message).toEndWith('stopped after 10 redirects');
  });

  test('to go on when the store fails, without asking again', async () => {
    const layer = onlyLayer();
    const image = registry.image('app', 'latest', [LAYERS[0] ?? new Uint8Array()]);
    const config = image.manifest.config.digest;
    content.blobs.set(config, registry.blobs.get(config) ?? new Uint8Array());
    content.writeError = new TareError('exhausted', 'no space left on device');
    const error = await failureOf(fetchAll('app'));
    expect(error.message).toBe('no space left on device');
    expect(registry.paths().filter((path) => path.endsWith(layer.digest))).toHaveLength(1);
    expect(content.open.size).toBe(0);
  });

  test('to go on after an abort', async () => {
    const layer = onlyLayer();
    const controller = new AbortController();
    registry.faults.push(
      onPath(layer.digest, 1, (response) => {
        response.writeHead(200, { 'Content-Length': layer.size });
        response.write(new Uint8Array(10));
        setTimeout(() => controller.abort(), 20);
      }),
    );
    const image = await fetchImage('app', { signal: controller.signal });
    const error = await failureOf(image.done);
    expect(error.kind).toBe('cancelled');
    expect(content.open.size).toBe(0);
  });
});

describe('an unreachable registry', () => {
  const options = { report: () => {}, signal: new AbortController().signal };

  test('that refuses is reported at once, in Docker’s words', async () => {
    const { host } = registry;
    await registry[Symbol.asyncDispose]();
    const error = await failureOf(client.fetchImage(parseReference(`${host}/app`), options, content));
    expect(error.kind).toBe('unavailable');
    expect(error.message).toBe(`Get "http://${host}/v2/": dial tcp ${host}: connect: connection refused`);
  });

  test('whose name does not exist', async () => {
    const error = await failureOf(
      client.fetchImage(parseReference('registry.invalid/app'), options, content),
    );
    expect(error.kind).toBe('unavailable');
    expect(error.message).toMatch(
      /^Get "https:\/\/registry\.invalid\/v2\/": dial tcp: lookup registry\.invalid: /,
    );
  });

  test('that accepts and says nothing', async () => {
    client = new RegistryClient({ ...CONFIG, connectTimeoutMs: 50 });
    const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    try {
      const reference = parseReference(`127.0.0.1:${silent.port}/app`);
      const error = await failureOf(client.fetchImage(reference, options, content));
      expect([error.kind, error.message]).toEqual([
        'timeout',
        `Get "http://127.0.0.1:${silent.port}/v2/": no answer within 0.05 s (i/o timeout)`,
      ]);
    } finally {
      silent.stop(true);
    }
  });
});

test('a mirror serves Docker Hub images, without the user’s credentials', async () => {
  const made = registry.image('library/app', 'latest', LAYERS);
  client = new RegistryClient({ ...CONFIG, mirrors: ['http://127.0.0.1:1', `http://${registry.host}`] });
  const options = {
    report: () => {},
    signal: new AbortController().signal,
    auth: { username: 'a', password: 'b' },
  };
  const image = await client.fetchImage(parseReference('app'), options, content);
  await image.done;
  expect(image.digest).toBe(made.digest);
  expect(registry.seen.every((request) => request.authorization === undefined)).toBe(true);
});

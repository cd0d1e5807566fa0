/** The specification's category "Push", over HTTP. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { codeOf, errorOf, TestRegistry } from '../../test/support/registry-server.ts';
import { digestOf } from '../oci/digest.ts';
import { MANIFEST_LIMIT, MEDIA_TYPES } from '../oci/manifest.ts';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start({ maxUploadSize: 4_000_000 });
});
afterAll(() => registry[Symbol.asyncDispose]());

type Send = {
  readonly method: string;
  readonly body?: RequestInit['body'];
  readonly headers?: Record<string, string>;
};
const send = (path: string, init: Send) => registry.request(path, init);
const begin = async (repository: string) => {
  const response = await send(`/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  expect(response.status).toBe(202);
  expect(response.headers.get('range')).toBe('0-0');
  return response.headers.get('location') ?? '';
};
const statusOf = async (location: string) => {
  const response = await send(location, { method: 'GET' });
  return [response.status, response.headers.get('range')];
};
const expectBlob = async (repository: string, bytes: Uint8Array, digest = digestOf(bytes)) => {
  const response = await registry.request(`/v2/${repository}/blobs/${digest}`);
  expect(response.status).toBe(200);
  expect(Buffer.compare(Buffer.from(await response.arrayBuffer()), bytes)).toBe(0);
};
const expectCreated = (response: Response, repository: string, digest: string) => {
  expect(response.status).toBe(201);
  expect(response.headers.get('location')).toBe(`/v2/${repository}/blobs/${digest}`);
  expect(response.headers.get('docker-content-digest')).toBe(digest);
};

describe('blobs whole', () => {
  const bytes = randomBytes(100_000);

  test('POST, then PUT', async () => {
    const location = await begin('whole/two');
    const path = `${location}?digest=${digestOf(bytes)}`;
    expectCreated(await send(path, { method: 'PUT', body: bytes }), 'whole/two', digestOf(bytes));
    await expectBlob('whole/two', bytes);
    expect((await send(location, { method: 'GET' })).status).toBe(404);
  });

  test.each(['sha256', 'sha512'] as const)('one POST with a %s digest', async (algorithm) => {
    const digest = digestOf(bytes, algorithm);
    const response = await send(`/v2/whole/one/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      body: bytes,
    });
    expectCreated(response, 'whole/one', digest);
    await expectBlob('whole/one', bytes, digest);
  });

  test('an empty one', async () => {
    const digest = digestOf('');
    const path = `${await begin('whole/empty')}?digest=${digest}`;
    expectCreated(await send(path, { method: 'PUT' }), 'whole/empty', digest);
    await expectBlob('whole/empty', new Uint8Array());
  });

  test.each(['one', 'two'])('a wrong digest stores nothing (%s)', async (way) => {
    const wrong = digestOf(randomBytes(8));
    const path = way === 'one' ? '/v2/whole/wrong/blobs/uploads/' : await begin('whole/wrong');
    const method = way === 'one' ? 'POST' : 'PUT';
    const response = await send(`${path}?digest=${wrong}`, { method, body: randomBytes(50) });
    expect([response.status, await codeOf(response)]).toEqual([400, 'DIGEST_INVALID']);
    expect((await registry.request(`/v2/whole/wrong/blobs/${wrong}`)).status).toBe(404);
    expect(readdirSync(join(registry.root, 'content/blobs/sha256'))).not.toContain(wrong.slice(7));
  });

  test('no digest, a bad digest, too many bytes', async () => {
    for (const query of ['', '?digest=', '?digest=sha256:12', '?digest=md5:0123']) {
      const response = await send(`${await begin('whole/bad')}${query}`, { method: 'PUT', body: 'x' });
      expect([response.status, await codeOf(response)]).toEqual([400, 'DIGEST_INVALID']);
    }
    const large = new Uint8Array(4_000_001);
    for (const chunked of [false, true]) {
      const body = chunked ? streamOf(large, 64_000) : large;
      const path = `${await begin('whole/large')}?digest=${digestOf(large)}`;
      const response = await send(path, { method: 'PUT', body });
      expect([response.status, await codeOf(response)]).toEqual([413, 'SIZE_INVALID']);
    }
  });
});

describe('blobs in pieces', () => {
  const bytes = randomBytes(90_000);
  const digest = digestOf(bytes);
  const patch = (location: string, first: number, last: number) =>
    send(location, {
      method: 'PATCH',
      body: bytes.subarray(first, last + 1),
      headers: { 'Content-Range': `${first}-${last}`, 'Content-Type': 'application/octet-stream' },
    });

  test.each(['PATCH', 'PUT'])('the last chunk by %s', async (last) => {
    let location = await begin('pieces/app');
    const first = await patch(location, 0, 29_999);
    expect([first.status, first.headers.get('range')]).toEqual([202, '0-29999']);
    location = first.headers.get('location') ?? '';
    expect(await statusOf(location)).toEqual([204, '0-29999']);
    await patch(location, 30_000, 59_999);
    if (last === 'PATCH') await patch(location, 60_000, 89_999);
    const response = await send(`${location}?digest=${digest}`, {
      method: 'PUT',
      ...(last === 'PUT'
        ? { body: bytes.subarray(60_000), headers: { 'Content-Range': '60000-89999' } }
        : {}),
    });
    expectCreated(response, 'pieces/app', digest);
    await expectBlob('pieces/app', bytes);
  });

  test('a chunk out of order is refused with the place to go on from', async () => {
    const location = await begin('pieces/order');
    const early = await patch(location, 10, 19);
    expect([early.status, early.headers.get('range')]).toEqual([416, '0-0']);
    await patch(location, 0, 29_999);
    for (const start of [0, 30_001]) {
      const response = await patch(location, start, start + 99);
      expect([response.status, response.headers.get('range')]).toEqual([416, '0-29999']);
      expect(response.headers.get('location')).toBe(location);
      expect(await codeOf(response)).toBe('BLOB_UPLOAD_INVALID');
    }
    const put = await send(`${location}?digest=${digest}`, {
      method: 'PUT',
      body: bytes.subarray(0, 10),
      headers: { 'Content-Range': '0-9' },
    });
    expect(put.status).toBe(416);
    expect((await patch(location, 30_000, 89_999)).status).toBe(202);
    expectCreated(await send(`${location}?digest=${digest}`, { method: 'PUT' }), 'pieces/order', digest);
  });

  test('headers that contradict each other', async () => {
    const location = await begin('pieces/bad');
    const response = await send(location, {
      method: 'PATCH',
      body: 'abc',
      headers: { 'Content-Range': '0-9' },
    });
    expect([response.status, await codeOf(response)]).toEqual([400, 'SIZE_INVALID']);
    for (const range of ['x', '5', '9-0']) {
      const wrong = await send(location, {
        method: 'PATCH',
        body: 'abc',
        headers: { 'Content-Range': range },
      });
      expect([wrong.status, await codeOf(wrong)]).toEqual([400, 'BLOB_UPLOAD_INVALID']);
    }
    expect(await statusOf(location)).toEqual([204, '0-0']);
  });

  test('a stream of unknown length', async () => {
    const location = await begin('pieces/stream');
    const response = await send(location, { method: 'PATCH', body: streamOf(bytes, 7000) });
    expect([response.status, response.headers.get('range')]).toEqual([202, '0-89999']);
    expectCreated(await send(`${location}?digest=${digest}`, { method: 'PUT' }), 'pieces/stream', digest);
  });

  test('a sha512 digest, announced or not', async () => {
    const wanted = digestOf(bytes, 'sha512');
    for (const query of ['', '?digest-algorithm=sha512']) {
      const begun = await send(`/v2/pieces/long/blobs/uploads/${query}`, { method: 'POST' });
      const location = begun.headers.get('location') ?? '';
      await patch(location, 0, 89_999);
      expectCreated(await send(`${location}?digest=${wanted}`, { method: 'PUT' }), 'pieces/long', wanted);
    }
    await expectBlob('pieces/long', bytes, wanted);
  });

  test('cancelled, unknown, and of another repository', async () => {
    const location = await begin('pieces/cancel');
    await patch(location, 0, 99);
    const foreign = location.replace('pieces/cancel', 'pieces/thief');
    expect((await send(foreign, { method: 'GET' })).status).toBe(404);
    expect((await send(location, { method: 'DELETE' })).status).toBe(204);
    for (const method of ['GET', 'PATCH', 'DELETE', 'PUT']) {
      const response = await send(`${location}?digest=${digest}`, { method });
      expect(response.status).toBe(404);
      expect(await codeOf(response)).toBe('BLOB_UPLOAD_UNKNOWN');
    }
  });

  test('what came before the connection broke stays', async () => {
    const location = await begin('pieces/cut');
    const [host = '', port = ''] = registry.host.split(':');
    const socket = connect(Number(port), host);
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: ${registry.host}\r\nContent-Length: 90000\r\n\r\n`);
    socket.write(bytes.subarray(0, 40_000));
    while ((await statusOf(location))[1] !== '0-39999') await Bun.sleep(10);
    socket.destroy();
    const response = await patch(location, 40_000, 89_999);
    expect([response.status, response.headers.get('range')]).toEqual([202, '0-89999']);
    expectCreated(await send(`${location}?digest=${digest}`, { method: 'PUT' }), 'pieces/cut', digest);
  });

  test('of two requests to one upload the newer goes on', async () => {
    const location = await begin('pieces/twice');
    const held = Promise.withResolvers<void>();
    const slow = send(location, {
      method: 'PATCH',
      body: new ReadableStream({
        async start(controller): Promise<void> {
          controller.enqueue(bytes.subarray(0, 1000));
          await held.promise;
          controller.close();
        },
      }),
    });
    while ((await statusOf(location))[1] !== '0-999') await Bun.sleep(10);
    expect((await patch(location, 1000, 89_999)).status).toBe(202);
    held.resolve();
    expect((await slow).status).toBe(409);
    expectCreated(await send(`${location}?digest=${digest}`, { method: 'PUT' }), 'pieces/twice', digest);
  });

  test('an upload goes on after a restart', async () => {
    const location = await begin('pieces/restart');
    await patch(location, 0, 49_999);
    await registry.restart();
    expect(await statusOf(location)).toEqual([204, '0-49999']);
    expect((await patch(location, 50_000, 89_999)).status).toBe(202);
    expectCreated(await send(`${location}?digest=${digest}`, { method: 'PUT' }), 'pieces/restart', digest);
  });
});

describe('mounts', () => {
  const bytes = randomBytes(1000);
  const mount = (repository: string, digest: string, from: string) =>
    send(`/v2/${repository}/blobs/uploads/?mount=${digest}${from}`, { method: 'POST' });

  test('from a repository that has it, and from wherever it is', async () => {
    const digest = await registry.pushBlob('mount/source', bytes);
    expectCreated(await mount('mount/a', digest, '&from=mount/source'), 'mount/a', digest);
    await expectBlob('mount/a', bytes);
    expectCreated(await mount('mount/b', digest, ''), 'mount/b', digest);
    await expectBlob('mount/b', bytes);
  });

  test('one that is not there begins an upload', async () => {
    const digest = await registry.pushBlob('mount/source', bytes);
    for (const [wanted, from] of [
      [digest, '&from=mount/nothing'],
      [digestOf('nowhere'), '&from=mount/source'],
      [digestOf('nowhere'), ''],
    ] as const) {
      const response = await mount('mount/c', wanted, from);
      expect(response.status).toBe(202);
      expect(response.headers.get('location')).toContain('/v2/mount/c/blobs/uploads/');
    }
  });
});

describe('manifests', () => {
  const put = (reference: string, document: object | string, mediaType?: string) =>
    registry.putManifest('man/app', reference, document as object, mediaType);

  test('by tag and by digest', async () => {
    const { document, digest } = await registry.pushImage('man/app', 'one', [randomBytes(10)]);
    const byTag = await put('two', document);
    expect(byTag.status).toBe(201);
    expect(byTag.headers.get('docker-content-digest')).toBe(digest);
    expect(byTag.headers.get('location')).toBe(`/v2/man/app/manifests/${digest}`);
    expect((await put(digest, document)).status).toBe(201);
    expect((await put('three', document, `${MEDIA_TYPES.ociManifest}; charset=utf-8`)).status).toBe(201);
    const long = digestOf(JSON.stringify(document), 'sha512');
    const tagged = await put(`${long}?tag=long&tag=longer`, document);
    expect([tagged.status, tagged.headers.get('oci-tag')]).toEqual([201, 'long, longer']);
    const head = await registry.request('/v2/man/app/manifests/longer', { method: 'HEAD' });
    expect(head.headers.get('docker-content-digest')).toBe(long);
  });

  test('what it refers to must be in the repository', async () => {
    const { document, digest, size } = await registry.pushImage('man/other', 'one', [
      randomBytes(10),
      randomBytes(11),
    ]);
    const response = await put('missing', document);
    expect(response.status).toBe(400);
    const error = await errorOf(response);
    expect(error.code).toBe('MANIFEST_BLOB_UNKNOWN');
    expect(error.detail).toEqual([
      { digest: document.config.digest },
      { digest: document.layers[0]?.digest },
      { digest: document.layers[1]?.digest },
    ]);
    const manifests = [{ mediaType: MEDIA_TYPES.ociManifest, digest, size }];
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
    expect(await codeOf(await put('index', index, MEDIA_TYPES.ociIndex))).toBe('MANIFEST_BLOB_UNKNOWN');
    const here = await registry.putManifest('man/other', 'index', index, MEDIA_TYPES.ociIndex);
    expect(here.status).toBe(201);
    expect((await registry.request('/v2/man/app/manifests/missing')).status).toBe(404);
  });

  test('layers that are kept elsewhere need not be', async () => {
    const { document } = await registry.pushImage('man/app', 'base', []);
    const foreign = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: digestOf('windows'),
      size: 7,
      urls: ['https://elsewhere.example/layer'],
    };
    expect((await put('foreign', { ...document, layers: [foreign] })).status).toBe(201);
  });

  test.each([
    ['no JSON', 'v', '{', 400, 'MANIFEST_INVALID'],
    ['no manifest', 'v', '{"schemaVersion":2}', 400, 'MANIFEST_INVALID'],
    ['schema 1', 'v', '{"schemaVersion":1,"name":"x","tag":"y"}', 400, 'MANIFEST_INVALID'],
    ['another type', 'v', '{"schemaVersion":2,"mediaType":"text/x","manifests":[]}', 400, 'MANIFEST_INVALID'],
    ['another digest', digestOf('x'), '{"schemaVersion":2,"manifests":[]}', 400, 'DIGEST_INVALID'],
    ['half a digest', 'sha256:12', '{"schemaVersion":2,"manifests":[]}', 400, 'DIGEST_INVALID'],
    ['no tag', '.x', '{"schemaVersion":2,"manifests":[]}', 400, 'MANIFEST_INVALID'],
    ['too large', 'v', ' '.repeat(MANIFEST_LIMIT + 1), 413, 'MANIFEST_INVALID'],
  ])('refused: %s', async (_, reference, body, status, code) => {
    const response = await send(`/v2/man/bad/manifests/${reference}`, {
      method: 'PUT',
      body,
      headers: { 'Content-Type': MEDIA_TYPES.ociIndex },
    });
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
    expect((await registry.request('/v2/man/bad/tags/list')).status).toBe(404);
  });

  test('a manifest of nearly 4 MiB', async () => {
    const { document } = await registry.pushImage('man/app', 'small', []);
    const annotations = { filler: 'x'.repeat(MANIFEST_LIMIT - 1000) };
    expect((await put('large', { ...document, annotations })).status).toBe(201);
  });
});

function streamOf(bytes: Uint8Array, piece: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    async pull(controller): Promise<void> {
      await Bun.sleep(1);
      if (at >= bytes.byteLength) controller.close();
      else controller.enqueue(bytes.slice(at, at + piece));
      at += piece;
    },
  });
}

import { afterEach, beforeEach, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { FakeRegistry } from '../../test/support/fake-registry.ts';
import { MemoryContent } from '../../test/support/memory-content.ts';
import { parseReference } from '../oci/reference.ts';
import { RegistryClient } from './client.ts';
import type { RegistryClientConfig } from './registry-client.ts';

const LAYERS = [randomBytes(300_000), randomBytes(1000)];
const AUTH = { username: 'me', password: 'secret' };

let mirror: FakeRegistry;
let upstream: FakeRegistry;
let queries: string[];

beforeEach(async () => {
  mirror = await FakeRegistry.start();
  upstream = await FakeRegistry.start();
  upstream.image('team/app', 'v1', LAYERS);
  queries = [];
  mirror.faults.push((request) => {
    queries.push(request.url ?? '');
    return false;
  });
});

afterEach(async () => {
  await mirror[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

async function pull(config: RegistryClientConfig) {
  const client = new RegistryClient({ retryDelayMs: 1, maxAttempts: 2, ...config });
  const content = new MemoryContent();
  const signal = new AbortController().signal;
  const reference = parseReference(`${upstream.host}/team/app:v1`);
  const image = await client.fetchImage(reference, { auth: AUTH, report: () => {}, signal }, content);
  await image.done;
  return content;
}

const here = () => `http://${mirror.host}`;

test('any upstream may have a mirror, which is told the upstream and no credentials', async () => {
  mirror.image('team/app', 'v1', LAYERS);
  await pull({ mirrorsOf: { [upstream.host]: [here()] } });
  expect(upstream.seen).toEqual([]);
  expect(queries.length).toBeGreaterThan(4);
  const namespace = new URLSearchParams({ ns: upstream.host }).toString();
  for (const query of queries) expect(query).toEndWith(`?${namespace}`);
  expect(mirror.seen.every((request) => request.authorization === undefined)).toBe(true);
});

test('the mirrors of * serve what has none of its own', async () => {
  mirror.image('team/app', 'v1', LAYERS);
  await pull({ mirrorsOf: { '*': [here()], 'quay.io': [] } });
  expect(upstream.seen).toEqual([]);
  // An empty list is a registry without mirrors.
  await pull({ mirrorsOf: { '*': [here()], [upstream.host]: [] } });
  expect(upstream.paths()).toHaveLength(4);
});

test.each(['gone', 'failing', 'empty'])('behind a mirror that is %s the upstream is asked', async (fault) => {
  if (fault === 'failing') mirror.faults.push((_, response) => !!response.writeHead(500).end());
  const url = fault === 'gone' ? 'http://127.0.0.1:1' : here();
  await pull({ mirrorsOf: { '*': [url] } });
  expect(upstream.paths()).toHaveLength(4);
});

test.each(['lost', 'wrong', 'unreachable'])(
  'a layer that is %s at the mirror comes from the upstream',
  async (how) => {
    const { manifest } = mirror.image('team/app', 'v1', LAYERS);
    const digest = manifest.layers[0]?.digest ?? '';
    const bytes = mirror.blobs.get(digest) ?? new Uint8Array();
    if (how === 'lost') mirror.blobs.delete(digest);
    if (how === 'wrong') mirror.blobs.set(digest, new Uint8Array(bytes.length));
    if (how === 'unreachable') {
      mirror.faults.push((request, _, path) => path.endsWith(digest) && !!request.socket.destroy());
    }
    upstream.auth = 'basic';
    upstream.user = { name: AUTH.username, password: AUTH.password };
    const content = await pull({ mirrorsOf: { '*': [here()] } });
    expect(content.blobs.get(digest)).toEqual(bytes);
    // Only that layer, and now with the credentials.
    expect(upstream.paths()).toEqual([`/v2/team/app/blobs/${digest}`]);
  },
);

import { afterAll, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import { isKind } from '../../base/errors.ts';
import type { ProgressEvent } from './images.ts';
import { openImportSource } from './import-source.ts';

const packed = gzipSync('the file');
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  routes: {
    '/file': () => new Response('the file'),
    '/moved': () => Response.redirect('/file'),
    '/loop': () => Response.redirect('/loop'),
    '/packed': () => new Response(packed, { headers: { 'Content-Encoding': 'gzip' } }),
    '/silent': () => new Promise<Response>(() => {}),
  },
  fetch: () => new Response('no', { status: 404 }),
});
afterAll(() => server.stop(true));

async function open(path: string, signal = new AbortController().signal) {
  const events: ProgressEvent[] = [];
  const source = await openImportSource(path, { report: (event) => events.push(event), signal });
  return { text: Buffer.from(await new Response(source).arrayBuffer()), events };
}

test('a file, also by a redirect, with its size in the progress', async () => {
  for (const path of ['file', 'moved']) {
    const { text, events } = await open(`${server.url}${path}`);
    expect(text.toString()).toBe('the file');
    expect(events[0]?.status).toBe(`Downloading from ${server.url}${path}`);
    expect(events.at(-1)).toEqual({ status: 'Importing', current: 8, total: 8 });
  }
});

test('without a scheme it is http; what is compressed stays so', async () => {
  expect((await open(`127.0.0.1:${server.port}/file`)).text.toString()).toBe('the file');
  expect((await open(`${server.url}packed`)).text.equals(packed)).toBe(true);
});

test('what cannot be had is told', async () => {
  const failure = (path: string, signal?: AbortSignal) => open(path, signal).catch((error: unknown) => error);
  const missing = await failure(`${server.url}nothing`);
  expect(String(missing)).toContain(`failed to GET ${server.url}nothing with status 404`);
  expect(isKind(missing, 'unavailable')).toBe(true);
  expect(isKind(await failure(`${server.url}loop`), 'unavailable')).toBe(true);
  expect(isKind(await failure('http://127.0.0.1:1/x'), 'unavailable')).toBe(true);
  expect(isKind(await failure('ftp://127.0.0.1/x'), 'invalid')).toBe(true);
  expect(isKind(await failure('http://['), 'invalid')).toBe(true);
  expect(isKind(await failure(`${server.url}silent`, AbortSignal.timeout(50)), 'cancelled')).toBe(true);
});

import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { download } from './download.ts';

const directory = mkdtempSync('/tmp/tare-download-');
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === '/a%20b.txt') {
      return new Response('hello', { headers: { 'last-modified': 'Thu, 01 Jan 1970 00:01:00 GMT' } });
    }
    if (pathname === '/loop') return Response.redirect('/loop');
    if (pathname === '/there') return Response.redirect('/a%20b.txt');
    if (pathname === '/metadata') return Response.redirect('http://169.254.169.254/latest/');
    if (pathname === '/hang') {
      return new Response(
        new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(5)) }),
      );
    }
    return new Response('no', { status: 404 });
  },
});
afterAll(async () => {
  await server.stop(true);
  rmSync(directory, { recursive: true, force: true });
});

let count = 0;
async function get(path: string, limits?: { maxBytes: number; silence: number }, signal?: AbortSignal) {
  const place = join(directory, String(++count));
  const address = path.includes('://') ? path : `http://127.0.0.1:${server.port}${path}`;
  try {
    return await download(address, place, signal ?? new AbortController().signal, limits);
  } catch (error) {
    expect(existsSync(place)).toBe(false);
    throw error;
  }
}

describe('download', () => {
  test('a file with its name, time and digest', async () => {
    const { path, ...rest } = await get('/a%20b.txt');
    expect(readFileSync(path, 'utf8')).toBe('hello');
    expect(rest).toEqual({
      name: 'a b.txt',
      size: 5,
      seconds: 60,
      sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    });
  });

  test('redirects are followed; the name is that of the address', async () => {
    expect((await get('/there')).name).toBe('there');
  });

  test('what goes wrong leaves no file', async () => {
    await expect(get('/missing')).rejects.toThrow('with status 404');
    await expect(get('/loop')).rejects.toThrow('more than 10 redirects');
    await expect(get('/metadata')).rejects.toThrow('refusing to follow a redirect');
    await expect(get('http://127.0.0.1:1/x')).rejects.toThrow('failed to GET http://127.0.0.1:1/x');
    const limits = { maxBytes: 4, silence: 10_000 };
    await expect(get('/a%20b.txt', limits)).rejects.toThrow('more than the 4 bytes');
  });

  test('a server that says no more is given up', async () => {
    await expect(get('/hang', { maxBytes: 1000, silence: 200 })).rejects.toThrow(
      'nothing came for 0.2 seconds',
    );
  });

  test('the caller can stop it', async () => {
    await expect(get('/hang', undefined, AbortSignal.timeout(100))).rejects.toMatchObject({
      kind: 'cancelled',
    });
  });
});

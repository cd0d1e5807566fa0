import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTarMembers } from '../../../archive/tar-members.ts';
import { encodeTarHeader, tarEnd } from '../../../archive/tar-writer.ts';
import { remoteContext } from './remote-context.ts';

const directory = mkdtempSync(join(tmpdir(), 'tare-remote-'));
let server: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  const answers: Record<string, () => Response> = {
    '/Dockerfile': () => new Response('FROM busybox\n'),
    '/context.tar.gz': () =>
      new Response(
        Bun.gzipSync(Buffer.concat([encodeTarHeader({ type: 'directory', name: 'sub' }), tarEnd()])),
      ),
    '/large': () => new Response('x'.repeat(1024 * 1024 + 1)),
    '/away': () => Response.redirect('http://localhost:1/Dockerfile'),
  };
  const fetch = (request: Request): Response =>
    answers[new URL(request.url).pathname]?.() ?? new Response('', { status: 404 });
  server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch });
});
afterAll(async () => {
  await server.stop(true);
  rmSync(directory, { recursive: true });
});

const fetched = (path: string) =>
  remoteContext(`http://127.0.0.1:${server.port}${path}`, directory, new AbortController().signal);
const names = async (context: ReadableStream<Uint8Array>, plain: boolean): Promise<string[]> => {
  const bytes = await new Response(context).bytes();
  const tar = plain ? bytes : Bun.gunzipSync(bytes as Uint8Array<ArrayBuffer>);
  const found: string[] = [];
  for await (const { entry } of readTarMembers(new Blob([tar]).stream())) found.push(entry.name);
  return found;
};

test('a Dockerfile alone becomes a context, an archive is one; nothing stays', async () => {
  const alone = await fetched('/Dockerfile');
  expect(alone.dockerfile).toBe('Dockerfile');
  expect(await names(alone.context, true)).toEqual(['Dockerfile']);
  const archive = await fetched('/context.tar.gz');
  expect(archive.dockerfile).toBe('');
  expect(await names(archive.context, false)).toEqual(['sub/']);
  expect(readdirSync(directory)).toEqual([]);
});

test.each([
  ['/none', 'status 404'],
  ['/large', 'neither a tar nor a Dockerfile'],
  ['/away', 'refusing to follow a redirect'],
])('%s is refused and leaves nothing', async (path, message) => {
  expect(String(await fetched(path).catch((error: unknown) => error))).toContain(message);
  expect(readdirSync(directory)).toEqual([]);
});

test.each([
  ['ftp://host/x', 'unsupported build context'],
  ['http://169.254.1.1/Dockerfile', 'link-local'],
  ['http://169.254.1.1/x.git', 'link-local'],
  ['git://[fe80::1]/x', 'link-local'],
  ['https://host/x.git#--upload-pack=x', 'is no name of a branch'],
])('%s is refused unasked', async (address, message) => {
  const error = await remoteContext(address, directory, new AbortController().signal).catch(String);
  expect(error).toContain(message);
});

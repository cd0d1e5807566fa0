import { describe, expect, test } from 'bun:test';
import { sessionWith } from '../../../test/support/buildkit/peers.ts';
import type { ContextEntry } from '../../archive/context-entry.ts';
import type { TarEntry } from '../../archive/tar-entry.ts';
import type { ServerCall } from '../grpc/server.ts';
import { BytesMessage, FILE_SEND, FILE_SYNC } from '../proto/attachables.ts';
import { PACKET, Packet } from '../proto/files.ts';
import { sendBytes, sendTree } from './file-send.ts';
import { syncFiles } from './file-sync.ts';
import { goMode, unixMode } from './go-mode.ts';
import { encodeMetadata } from './metadata.ts';
import { TextFiles } from './text-files.ts';

const forever = new AbortController().signal;
const file = (path: string, size: number, more = {}) => ({
  path,
  mode: 0o644,
  size,
  modTime: 1_500_000_000n,
  ...more,
});
type Stats = ReadonlyArray<NonNullable<Parameters<typeof Packet.encode>[0]['stat']>>;

/** A client with these files, as the stock one: four at once, each in pieces. */
function sender(stats: Stats, contents: Record<string, Uint8Array>, seen: ServerCall[] = []) {
  return async (call: ServerCall): Promise<void> => {
    seen.push(call);
    for (const stat of stats) await call.send(Packet.encode({ type: PACKET.stat, stat }));
    await call.send(Packet.encode({ type: PACKET.stat }));
    const sending: Promise<void>[] = [];
    for await (const bytes of call.messages) {
      const { type, id } = Packet.decode(bytes);
      if (type === PACKET.finish) {
        await Promise.all(sending);
        return call.send(Packet.encode({ type: PACKET.finish }));
      }
      const data = contents[stats[id]!.path!] ?? new Uint8Array();
      sending.push(sendFile(call, id, data));
    }
  };
}

async function sendFile(call: ServerCall, id: number, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length; at += 32_768) {
    await call.send(Packet.encode({ type: PACKET.data, id, data: data.subarray(at, at + 32_768) }));
  }
  await call.send(Packet.encode({ type: PACKET.data, id }));
}

/** Takes everything that has the bit of a regular file. */
class Sink {
  readonly entries: ContextEntry[] = [];
  readonly bytes = new Map<number, Uint8Array[]>();
  readonly ended: number[] = [];
  unwanted = new Set<string>();
  async announce(entries: readonly ContextEntry[]): Promise<void> {
    this.entries.push(...entries);
  }
  async wanted() {
    return this.entries.flatMap(({ mode, path }, index) =>
      mode >> 12 === 0o10 && !this.unwanted.has(path) ? [{ index, digest: '' }] : [],
    );
  }
  async write(index: number, bytes: Uint8Array): Promise<void> {
    this.bytes.set(index, [...(this.bytes.get(index) ?? []), new Uint8Array(bytes)]);
  }
  async end(index: number): Promise<void> {
    this.ended.push(index);
  }
  contents(path: string): Buffer {
    return Buffer.concat(this.bytes.get(this.entries.findIndex((entry) => entry.path === path)) ?? []);
  }
}

describe('files of a client', () => {
  test('are announced, asked for and written; a hard link has the size of its file', async () => {
    const large = new Uint8Array(300_000).fill(1);
    const stats = [
      { path: 'd', mode: goMode(0o040755) },
      file('d/a', large.length),
      file('d/b', 0, { linkname: 'd/a' }),
      { path: 'd/link', mode: goMode(0o120777), linkname: 'a' },
      { path: 'd/socket', mode: goMode(0o140755) },
      file('größe', 3),
      file('empty', 0),
    ];
    const contents = { 'd/a': large, 'd/b': large, größe: Buffer.from('abc') };
    const calls: ServerCall[] = [];
    using session = await sessionWith({ [FILE_SYNC]: sender(stats, contents, calls) });
    const sink = new Sink();
    await syncFiles(session, { name: 'context', excludes: ['x', '!ü'] }, sink, { signal: forever });
    expect(sink.entries.map(({ path }) => path)).toEqual([
      'd',
      'd/a',
      'd/b',
      'd/link',
      Buffer.from('größe').toString('latin1'),
      'empty',
    ]);
    expect(sink.entries[2]).toMatchObject({ size: large.length, mode: 0o100644, link: '' });
    expect(sink.entries[3]).toMatchObject({ link: 'a', mode: 0o120777 });
    expect(sink.entries[1]).toMatchObject({ seconds: 1, nanoseconds: 500_000_000 });
    expect(sink.contents('d/b').length).toBe(large.length);
    expect(sink.contents(Buffer.from('größe').toString('latin1')).toString()).toBe('abc');
    expect(sink.ended).toHaveLength(4);
    const { metadata } = calls[0]!;
    expect(metadata['dir-name']).toBe('context');
    expect(metadata['exclude-patterns-encoded']).toBe('1');
    expect(metadata['exclude-patterns']).toBe('x, %21%C3%BC'.replace('%21', '!'));
  });

  test('thousands, of which only some are wanted', async () => {
    const stats = Array.from({ length: 3000 }, (_, n) => file(`f${String(n).padStart(4, '0')}`, 10));
    const contents = Object.fromEntries(stats.map(({ path }) => [path, Buffer.from(path.padEnd(10))]));
    using session = await sessionWith({ [FILE_SYNC]: sender(stats, contents) });
    const sink = new Sink();
    sink.unwanted = new Set(stats.slice(0, 1000).map(({ path }) => path));
    await syncFiles(session, { name: 'context' }, sink, { signal: forever });
    expect(sink.ended).toHaveLength(2000);
    expect(sink.contents('f2999').toString()).toBe('f2999     ');
    expect(sink.contents('f0001').length).toBe(0);
  }, 30_000);

  test.each([
    [
      'an error of the client',
      { type: PACKET.error, data: Buffer.from('permission denied') },
      'permission denied',
    ],
    ['data that nobody asked for', { type: PACKET.data, id: 7, data: Buffer.from('x') }, 'unasked'],
    ['an end before the files', { type: PACKET.finish }, 'unexpected packet'],
  ])('%s', async (_, packet, words) => {
    using session = await sessionWith({ [FILE_SYNC]: (call) => call.send(Packet.encode(packet)) });
    const synced = syncFiles(session, { name: 'context' }, new Sink(), { signal: forever });
    await expect(synced).rejects.toThrow(words);
  });

  test('a Dockerfile may be a link among what is sent', async () => {
    const stats = [
      { path: 'Dockerfile', mode: goMode(0o120777), linkname: 'docker/real' },
      { path: 'docker', mode: goMode(0o040755) },
      file('docker/real', 12),
      { path: 'loop', mode: goMode(0o120777), linkname: 'loop' },
      { path: 'out', mode: goMode(0o120777), linkname: '../../etc/passwd' },
    ];
    using session = await sessionWith({
      [FILE_SYNC]: sender(stats, { 'docker/real': Buffer.from('FROM scratch') }),
    });
    const files = new TextFiles();
    await syncFiles(session, { name: 'dockerfile', follow: ['Dockerfile'] }, files, { signal: forever });
    expect(files.read('Dockerfile')).toBe('FROM scratch');
    expect([files.read('loop'), files.read('out'), files.read('none')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('outputs at the client', () => {
  test('bytes', async () => {
    const got: Uint8Array[] = [];
    let position = '';
    using session = await sessionWith({
      [FILE_SEND]: async (call) => {
        position = String(call.metadata['buildkit-attachable-exporter-id']);
        for await (const bytes of call.messages) got.push(BytesMessage.decode(bytes).data);
      },
    });
    const bytes = new Uint8Array(5_000_000).fill(9);
    await sendBytes(session, 3, { name: 'x' }, new Blob([bytes]).stream(), forever);
    expect([Buffer.concat(got).length, position]).toEqual([bytes.length, '3']);
  });

  test('a tree: small files are kept until they are asked for, large ones waited with', async () => {
    const members = [
      member('d', { type: 'directory', mode: 0o755 }),
      member('d/large', {}, 700_000),
      member('d/small', { mode: 0o4755 }, 4),
      member('d/twin', { type: 'link', linkName: 'd/small' }),
      member('empty', {}, 0),
      member('link', { type: 'symlink', linkName: 'd/small' }),
    ];
    const received = new Map<string, number>();
    const modes: Record<string, string> = {};
    using session = await sessionWith({
      [FILE_SEND]: async (call) => {
        const paths: string[] = [];
        const later: number[] = [];
        for await (const bytes of call.messages) {
          const { type, id, stat, data } = Packet.decode(bytes);
          if (type === PACKET.finish) return;
          if (type === PACKET.stat && stat !== undefined) {
            const { path = '', mode = 0, linkname = '' } = stat;
            paths.push(path);
            modes[path] = `${unixMode(mode).toString(8)} ${linkname}`;
            if (unixMode(mode) >> 12 === 0o10 && linkname === '') {
              // Others ask at once: one that is late must do, too.
              if (path === 'd/small') later.push(paths.length - 1);
              else await call.send(Packet.encode({ type: PACKET.request, id: paths.length - 1 }));
            }
          } else if (type === PACKET.stat) {
            for (const number of later) await call.send(Packet.encode({ type: PACKET.request, id: number }));
          } else if (data.length > 0) received.set(paths[id]!, (received.get(paths[id]!) ?? 0) + data.length);
          else {
            received.set(paths[id]!, received.get(paths[id]!) ?? 0);
            if (received.size === 3) await call.send(Packet.encode({ type: PACKET.finish }));
          }
        }
      },
    });
    await sendTree(session, 0, tree(members), () => {}, forever);
    expect(Object.fromEntries(received)).toEqual({ 'd/large': 700_000, 'd/small': 4, empty: 0 });
    expect(modes).toMatchObject({
      d: '40755 ',
      'd/small': '104755 ',
      'd/twin': '100644 d/small',
      link: '120644 d/small',
    });
  });
});

test('modes there and back', () => {
  for (const mode of [0o100644, 0o104755, 0o041777, 0o120777, 0o010600, 0o020660, 0o060660, 0o140755]) {
    expect(unixMode(goMode(mode)).toString(8)).toBe(mode.toString(8));
  }
});

test('values of metadata beyond ASCII are escaped, all of the key', () => {
  expect(encodeMetadata({ a: ['x y'], b: ['ü b', 'c'], none: [] })).toEqual({
    a: ['x y'],
    b: ['%C3%BC+b', 'c'],
    'b-encoded': ['1'],
  });
});

function member(name: string, more: Partial<TarEntry> = {}, size = 0): { entry: TarEntry; size: number } {
  const entry: TarEntry = {
    type: 'file',
    linkName: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    seconds: 1,
    nanoseconds: 0,
    major: 0,
    minor: 0,
    xattrs: new Map(),
    ...more,
    name: `/${name}`,
    size,
  };
  return { entry, size };
}

async function* tree(members: readonly { entry: TarEntry; size: number }[]) {
  for (const { entry, size } of members) {
    yield { entry, body: new Blob([new Uint8Array(size).fill(1)]).stream() as AsyncIterable<Uint8Array> };
  }
}

import { describe, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rawTar } from '../../test/support/snapshots/raw-tars.ts';
import { isKind } from '../base/errors.ts';
import { toByteString } from './byte-string.ts';
import { formatPaxRecord, parsePax, parsePaxTime } from './pax.ts';
import type { TarEntry } from './tar-entry.ts';
import { TarParser } from './tar-parser.ts';
import { encodeTarHeader, type TarMember, tarEnd, tarPadding } from './tar-writer.ts';

interface Parsed {
  readonly entry: TarEntry;
  readonly content: string;
}

/** Parses in pieces of `piece` bytes and checks that raw and data are the archive again. */
function parse(bytes: Uint8Array, piece = bytes.byteLength): Parsed[] {
  const found: Array<{ entry: TarEntry; chunks: Buffer[] }> = [];
  const all: Buffer[] = [];
  const parser = new TarParser({
    raw: (chunk) => void all.push(Buffer.from(chunk)),
    entry: (entry) => void found.push({ entry, chunks: [] }),
    data: (chunk) => {
      all.push(Buffer.from(chunk));
      found.at(-1)?.chunks.push(Buffer.from(chunk));
    },
    endEntry: () => {},
  });
  for (let at = 0; at < bytes.byteLength; at += piece) parser.push(bytes.subarray(at, at + piece));
  parser.end();
  expect(Buffer.concat(all).equals(Buffer.from(bytes))).toBe(true);
  return found.map(({ entry, chunks }) => ({ entry, content: Buffer.concat(chunks).toString() }));
}

function tarOf(...members: Array<TarMember & { readonly content?: string }>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { content = '', ...member } of members) {
    parts.push(encodeTarHeader({ ...member, size: content.length }), Buffer.from(content));
    parts.push(tarPadding(content.length));
  }
  return Buffer.concat([...parts, tarEnd()]);
}

function failure(bytes: Uint8Array): unknown {
  try {
    parse(bytes);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Sets a header's checksum right again after a change. */
function fixChecksum(header: Buffer): void {
  header.fill(0x20, 148, 156);
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += header[i] ?? 0;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

const MEMBERS: TarMember[] = [
  { type: 'file', name: 'plain', mode: 0o4755, uid: 1, gid: 2, seconds: 1_600_000_000 },
  { type: 'directory', name: 'dir/', mode: 0o1777 },
  { type: 'symlink', name: 'sym', linkName: 'plain' },
  { type: 'link', name: 'hard', linkName: 'plain' },
  { type: 'character', name: 'null', major: 1, minor: 3 },
  { type: 'block', name: 'disk', major: 259, minor: 70_000 },
  { type: 'fifo', name: 'fifo' },
  { type: 'file', name: `${'d'.repeat(90)}/${'n'.repeat(90)}` },
  { type: 'file', name: 'x'.repeat(300) },
  { type: 'file', name: toByteString('ünïcode') },
  { type: 'file', name: 'bytes-\xff\xfe' },
  { type: 'symlink', name: 'long-link', linkName: 'y'.repeat(200) },
  { type: 'file', name: 'owner', uid: 3_000_000_000, gid: 2_097_152 },
  { type: 'file', name: 'old', seconds: -5, nanoseconds: 250_000_000 },
  { type: 'file', name: 'precise', seconds: 1_700_000_000, nanoseconds: 123_456_789 },
  { type: 'file', name: 'future', seconds: 9_000_000_000 },
  {
    type: 'file',
    name: 'xattrs',
    xattrs: new Map([
      ['user.b', Buffer.from('b=\n')],
      ['security.capability', Buffer.from([1, 0, 0, 2])],
    ]),
  },
];

describe('writer and parser', () => {
  for (const member of MEMBERS) {
    test(`a member comes back: ${member.name.slice(0, 20)}`, () => {
      for (const piece of [1, 7, 511, 513, 100_000]) {
        const [parsed] = parse(tarOf(member), piece);
        const { xattrs = new Map<string, Uint8Array>(), ...rest } = member;
        expect(parsed?.entry).toMatchObject(rest);
        const bytes = (map: ReadonlyMap<string, Uint8Array>): string[] =>
          [...map].map(([key, value]) => `${key} ${Buffer.from(value).toString('hex')}`).sort();
        expect(bytes(parsed?.entry.xattrs ?? new Map())).toEqual(bytes(xattrs));
      }
    });
  }

  test('contents come back, whatever the pieces', () => {
    const tar = tarOf(
      { type: 'file', name: 'a', content: 'x'.repeat(1500) },
      { type: 'file', name: 'b', content: '' },
      { type: 'file', name: 'c', content: 'y'.repeat(512) },
    );
    for (const piece of [1, 100, 512, 700, 5000]) {
      expect(parse(tar, piece).map(({ content }) => content.length)).toEqual([1500, 0, 512]);
    }
  });

  test('GNU tar reads what we write', () => {
    const directory = mkdtempSync('/tmp/tare-tar-');
    try {
      writeFileSync(`${directory}/t.tar`, tarOf(...MEMBERS));
      const listing = execFileSync('tar', ['--numeric-owner', '-tvf', `${directory}/t.tar`], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const lines = listing.trim().split('\n');
      expect(lines).toHaveLength(MEMBERS.length);
      expect(lines[0]).toMatch(/^-rwsr-xr-x 1\/2/);
      expect(lines[5]).toMatch(/^brw-r--r-- 0\/0 +259,70000/);
      expect(lines[12]).toMatch(/3000000000\/2097152/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('GNU formats: long names, base-256 numbers, sparse files of every version', () => {
    const directory = mkdtempSync('/tmp/tare-tar-');
    const run = (...argv: string[]): Uint8Array => {
      execFileSync('tar', [...argv, '-cf', `${directory}/t.tar`, '-C', directory, 'sparse', 'n'.repeat(150)]);
      return readFileSync(`${directory}/t.tar`);
    };
    try {
      execFileSync('truncate', ['-s', '9M', `${directory}/sparse`]);
      execFileSync('dd', [`of=${directory}/sparse`, 'bs=1', 'seek=5000000', 'conv=notrunc', 'status=none'], {
        input: 'here',
      });
      writeFileSync(`${directory}/${'n'.repeat(150)}`, 'long');
      execFileSync('chown', ['3000000000', `${directory}/${'n'.repeat(150)}`]);
      const archives = [
        run('--format=gnu', '--sparse'),
        ...['0.0', '0.1', '1.0'].map((version) =>
          run('--format=pax', '--sparse', `--sparse-version=${version}`),
        ),
      ];
      for (const archive of archives) {
        const [sparse, long] = parse(archive, 700);
        expect(sparse?.entry.name).toBe('sparse');
        expect(sparse?.entry.size).toBe(9 * 1024 * 1024);
        const piece = sparse?.entry.sparse?.find(({ length }) => length > 0);
        expect(piece?.offset).toBeLessThanOrEqual(5_000_000);
        expect(sparse?.content.replaceAll('\0', '')).toBe('here');
        expect(long?.entry.name).toBe('n'.repeat(150));
        expect(long?.entry.uid).toBe(3_000_000_000);
        expect(long?.content).toBe('long');
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('v7: no magic, a directory by its slash, one zero block at the end', () => {
    const header = Buffer.from(encodeTarHeader({ type: 'file', name: 'old-directory/' }));
    header.fill(0, 156, 157);
    header.fill(0, 257, 512);
    fixChecksum(header);
    const [parsed] = parse(Buffer.concat([header, Buffer.alloc(512)]));
    expect(parsed?.entry).toMatchObject({ type: 'directory', name: 'old-directory/' });
  });

  test('global PAX records hold for all that follow; a member may override them', () => {
    const global = Buffer.from(encodeTarHeader({ type: 'file', name: 'g', size: 9 }));
    global.write('g', 156);
    fixChecksum(global);
    const record = formatPaxRecord('uid', '77');
    const tar = Buffer.concat([
      global,
      record,
      tarPadding(record.byteLength),
      tarOf({ type: 'file', name: 'a' }, { type: 'file', name: 'b', uid: 9_999_999 }),
    ]);
    expect(parse(tar).map(({ entry }) => entry.uid)).toEqual([77, 9_999_999]);
  });

  test("macOS's nobody is -2: an owner of 32 bits", () => {
    const archive = rawTar({ name: 'f', flag: '0', uid: -2, gid: -2147483648 });
    const [{ entry } = { entry: undefined }] = parse(archive);
    expect([entry?.uid, entry?.gid]).toEqual([4294967294, 2147483648]);
  });

  test('what follows the end is let through', () => {
    const tar = Buffer.concat([tarOf({ type: 'file', name: 'a' }), Buffer.from('anything'.repeat(100))]);
    expect(parse(tar, 333)).toHaveLength(1);
  });
});

describe('bad archives are corrupt', () => {
  const good = tarOf({ type: 'file', name: 'a'.repeat(200), content: 'x'.repeat(700) });
  const header = (change: (block: Buffer) => void): Uint8Array => {
    const block = Buffer.from(encodeTarHeader({ type: 'file', name: 'a' }));
    change(block);
    fixChecksum(block);
    return Buffer.concat([block, tarEnd()]);
  };
  const cases: Record<string, Uint8Array> = {
    'a wrong checksum': (() => {
      const bytes = Buffer.from(tarOf({ type: 'file', name: 'a' }));
      bytes[0] = 0x62;
      return bytes;
    })(),
    'a lone zero block': Buffer.concat([new Uint8Array(512), tarOf({ type: 'file', name: 'a' })]),
    'letters in a number': header((block) => block.write('zzz', 124)),
    'a negative size': header((block) => block.fill(0xff, 124, 136)),
    'a size out of range': header((block) => {
      block.fill(0xff, 124, 136);
      block[124] = 0x80;
    }),
    'an unknown type': header((block) => block.write('M', 156)),
    'no name': header((block) => block.fill(0, 0, 100)),
    text: Buffer.from('hello '.repeat(200)),
    'PAX records without a member': Buffer.concat([good.subarray(0, 1024), tarEnd()]),
  };
  for (const [what, bytes] of Object.entries(cases)) {
    test(what, () => {
      expect(isKind(failure(bytes), 'corrupt')).toBe(true);
    });
  }

  test('every cut before the end marker', () => {
    for (let cut = 1; cut < good.byteLength - 1024; cut += 37) {
      expect(isKind(failure(good.subarray(0, cut)), 'corrupt')).toBe(true);
    }
  });

  test('random damage gives an error or an archive, never anything else', () => {
    let random = 99;
    const tar = tarOf(...MEMBERS);
    for (let i = 0; i < 300; i++) {
      const damaged = Buffer.from(tar);
      for (let j = 0; j < 4; j++) {
        random = (random * 1103515245 + 12345) % 2147483648;
        damaged[random % damaged.byteLength] = (random >> 8) & 0xff;
      }
      const error = failure(damaged);
      expect(error === undefined || isKind(error, 'corrupt')).toBe(true);
    }
  });
});

test('an archive may end with the contents of its last member, where that is asked for', () => {
  const whole = tarOf({ type: 'file', name: 'a', content: 'text' });
  const ends = (length: number, bareEnd: boolean): string => {
    const said: string[] = [];
    const sink = {
      raw() {},
      entry() {},
      data: (bytes: Uint8Array) => void said.push(Buffer.from(bytes).toString()),
      endEntry: () => void said.push('.'),
    };
    const parser = new TarParser(sink, { bareEnd });
    parser.push(whole.subarray(0, length));
    parser.end();
    return said.join('');
  };
  for (const length of [516, 517, 1023, 1024, 1536, 2048]) expect(ends(length, true)).toBe('text.');
  for (const length of [511, 512, 515]) expect(() => ends(length, true)).toThrow('truncated');
  for (const length of [516, 1023]) expect(() => ends(length, false)).toThrow('truncated');
});

describe('PAX', () => {
  test('records count their own length', () => {
    for (const length of [1, 80, 90, 91, 92, 93, 94, 95, 980, 990, 991, 992]) {
      const record = formatPaxRecord('k', 'v'.repeat(length));
      expect(record.toString().split(' ')[0]).toBe(String(record.byteLength));
      expect(parsePax(record)).toEqual([['k', Buffer.from('v'.repeat(length))]]);
    }
  });

  test('times', () => {
    expect(parsePaxTime('12.5')).toEqual({ seconds: 12, nanoseconds: 500_000_000 });
    expect(parsePaxTime('-1.25')).toEqual({ seconds: -2, nanoseconds: 750_000_000 });
    expect(parsePaxTime('-3')).toEqual({ seconds: -3, nanoseconds: 0 });
    expect(() => parsePaxTime('soon')).toThrow('PAX time');
  });

  test.each(['5 a=\n6 b', '99 a=b\n', 'x', '0 a=b\n', '6 ab\n\n', '-6 a=b\n'])('malformed: %p', (text) => {
    expect(() => parsePax(Buffer.from(text))).toThrow('malformed');
  });
});

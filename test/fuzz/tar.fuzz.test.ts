import { beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TarEntry } from '../../src/archive/tar-entry.ts';
import { TarParser } from '../../src/archive/tar-parser.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../src/archive/tar-writer.ts';
import { isKind } from '../../src/base/errors.ts';
import { mutated, Random } from './random.ts';

interface Reading {
  readonly entries: readonly TarEntry[];
  /** Stored bytes of each member. */
  readonly stored: readonly number[];
  /** All bytes that were handed on, in order. */
  readonly bytes: Buffer;
  readonly failure: string | undefined;
}

/** Reads an archive in pieces of `piece` bytes. Throws for an error that is not the reader's own. */
function read(input: Buffer, piece: number): Reading {
  const entries: TarEntry[] = [];
  const stored: number[] = [];
  const parts: Buffer[] = [];
  const parser = new TarParser({
    raw: (bytes) => void parts.push(Buffer.from(bytes)),
    entry: (entry) => {
      entries.push(entry);
      stored.push(0);
    },
    data: (bytes) => {
      parts.push(Buffer.from(bytes));
      stored[stored.length - 1] = (stored.at(-1) ?? 0) + bytes.byteLength;
    },
    endEntry: () => {},
  });
  let failure: string | undefined;
  try {
    for (let at = 0; at < input.byteLength; at += piece) parser.push(input.subarray(at, at + piece));
    parser.end();
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
    failure = error.message;
  }
  return { entries, stored, bytes: Buffer.concat(parts), failure };
}

const seeds: Buffer[] = [];

/** Archives of each dialect: PAX, GNU with long names, numbers and sparse files, v7, and our own. */
beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'tare-fuzz-'));
  const make = (...argv: string[]): void => {
    const { exitCode, stderr } = Bun.spawnSync(argv, { cwd: folder });
    if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  };
  try {
    const long = 'n'.repeat(120);
    make(
      'sh',
      '-c',
      `echo one > a; mkdir d; ln -s a l; ln a h; mkfifo p; echo two > ${long}; truncate -s 70000 s; echo x >> s`,
    );
    const members = ['a', 'd', 'l', 'h', 'p', 's', long];
    for (const flags of [
      ['--format=gnu', '--sparse'],
      ['--format=pax', '--sparse', '--sparse-version=0.0'],
      ['--format=pax', '--sparse', '--sparse-version=1.0', '--mtime=@1.5'],
      ['--format=gnu', '--owner=big:3000000', '--group=big:3000000'],
    ]) {
      make('tar', ...flags, '-b1', '-cf', 't.tar', ...members);
      seeds.push(Buffer.from(new Uint8Array(Bun.mmap(join(folder, 't.tar')))));
    }
    make('tar', '--format=v7', '-b1', '-cf', 't.tar', 'a', 'd', 'l', 'h');
    seeds.push(Buffer.from(new Uint8Array(Bun.mmap(join(folder, 't.tar')))));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const xattrs = new Map([['user.x', Buffer.from('value')]]);
  const header = encodeTarHeader({ type: 'file', name: 'é/x', size: 5, seconds: -1, nanoseconds: 7, xattrs });
  seeds.push(Buffer.concat([header, Buffer.from('12345'), tarPadding(5), tarEnd()]));
});

test('whole archives are read whole', () => {
  for (const seed of seeds) {
    const reading = read(seed, 333);
    expect(reading.failure).toBeUndefined();
    expect(reading.bytes.equals(seed)).toBe(true);
    expect(reading.entries.length).toBeGreaterThan(0);
  }
});

test('damaged ones are read the same in any pieces, or refused; no byte is lost or made up', () => {
  const random = new Random(4);
  let taken = 0;
  let refused = 0;
  for (let i = 0; i < 4000; i++) {
    const input = mutated(random, random.pick(seeds));
    const whole = read(input, Math.max(1, input.byteLength));
    const pieces = read(input, 1 + random.below(700));
    expect(pieces.failure).toBe(whole.failure);
    expect(pieces.entries).toEqual(whole.entries);
    expect(pieces.stored).toEqual(whole.stored);
    const { bytes, failure, entries, stored } = whole;
    expect(input.subarray(0, bytes.byteLength).equals(bytes)).toBe(true);
    if (failure === undefined) {
      taken++;
      expect(bytes.byteLength).toBe(input.byteLength);
    } else refused++;
    for (const [at, entry] of entries.entries()) {
      expect(entry.size).toBeGreaterThanOrEqual(0);
      expect(entry.name).not.toBe('');
      const finished = failure === undefined || at < entries.length - 1;
      if (finished && entry.sparse === undefined) expect(stored[at]).toBe(entry.size);
      let end = 0;
      for (const { offset, length } of entry.sparse ?? []) {
        expect(offset).toBeGreaterThanOrEqual(end);
        end = offset + length;
      }
      expect(end).toBeLessThanOrEqual(entry.size);
    }
  }
  expect(taken).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(1000);
});

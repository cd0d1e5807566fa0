import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Database } from './database.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync('/tmp/tare-database-');
});
afterEach(() => rmSync(root, { recursive: true }));

const modes = () =>
  readdirSync(root).map((name) => `${name} ${(statSync(join(root, name)).mode & 0o777).toString(8)}`);

test('no file of the database can be read by others', () => {
  const path = join(root, 'tare.db');
  let database = new Database(path);
  database.sqlite.exec('CREATE TABLE probe (a)');
  expect(modes().sort()).toEqual(['tare.db 600', 'tare.db-shm 600', 'tare.db-wal 600']);
  database.close();
  chmodSync(path, 0o644);
  database = new Database(path);
  expect(modes()).toContain('tare.db 600');
  database.close();
});

test('there is room for commits on a full disk, also after a restart', () => {
  const path = join(root, 'tare.db');
  for (let round = 0; round < 2; round++) {
    const database = new Database(path);
    const { size } = statSync(`${path}-wal`);
    expect(size).toBeGreaterThan(2_000_000);
    const before = statSync(path).size;
    const insert = database.sqlite.prepare('INSERT INTO settings (key, value) VALUES (?, ?)');
    for (let n = 0; n < 300; n++) insert.run(`${round}-${n}`, 'x'.repeat(1000));
    expect(statSync(path).size).toBe(before);
    expect(statSync(`${path}-wal`).size).toBe(size);
    database.close();
    expect(statSync(`${path}-wal`).size).toBe(size);
  }
});

test('a damaged file is named', () => {
  const path = join(root, 'tare.db');
  writeFileSync(path, 'no database at all '.repeat(500));
  expect(() => new Database(path)).toThrow(`cannot open the database ${path}`);
});

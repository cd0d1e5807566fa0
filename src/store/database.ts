import { constants, Database as Sqlite } from 'bun:sqlite';
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { messageOf, TareError } from '../base/errors.ts';
import { MIGRATIONS } from './migrations/migrations.ts';

/** Room kept in both files for commits on a full disk: some hundred of them. Bytes. */
const RESERVE = 2 * 1024 * 1024;
/** Pages in the log before it is written back and begun anew: less than the reserve. */
const CHECKPOINT_PAGES = 400;

/**
 * The metadata of the engine in one SQLite file (WAL, `synchronous=FULL`: a commit is on the disk when it
 * returns, 0.36 ms measured). Opening runs the migrations that are missing, each in its own transaction.
 */
export class Database {
  readonly sqlite: Sqlite;

  /**
   * `path` may be `:memory:` in tests; `migrations` are the scripts of this kind of database. Throws `corrupt` when
   * the file was written by a newer Tare.
   */
  constructor(path: string, migrations: readonly string[] = MIGRATIONS) {
    // Environments hold passwords. SQLite gives its other files the mode of this one.
    if (path !== ':memory:') {
      closeSync(openSync(path, 'a', 0o600));
      for (const suffix of ['', '-wal', '-shm']) chmodIfThere(path + suffix);
    }
    this.sqlite = new Sqlite(path, { create: true, strict: true });
    try {
      this.sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
    } catch (error) {
      throw new TareError(
        'corrupt',
        `cannot open the database ${path}: ${messageOf(error)}; restore it from a copy, or move the data root away to begin anew`,
        error,
      );
    }
    this.sqlite.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    const row = this.sqlite.query<{ user_version: number }, []>('PRAGMA user_version').get();
    const version = row?.user_version ?? 0;
    if (version > migrations.length) {
      throw new TareError(
        'corrupt',
        `the database ${path} has version ${version}, this tare knows ${migrations.length}: install a newer tare`,
      );
    }
    migrations.slice(version).forEach((script, index) => {
      this.transaction(() => {
        this.sqlite.exec(script);
        this.sqlite.exec(`PRAGMA user_version = ${version + index + 1}`);
      });
    });
    if (path !== ':memory:') this.#reserve(path);
  }

  /**
   * On a full disk removing things must still work, and a removal is a commit. SQLite writes over what a file has
   * already, so both the log and the main file are made larger than they need be, and the log is kept at close.
   */
  #reserve(path: string): void {
    this.sqlite.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 1);
    const free = this.sqlite.query<{ freelist_count: number }, []>('PRAGMA freelist_count').get();
    if (sizeOf(`${path}-wal`) >= RESERVE && (free?.freelist_count ?? 0) > CHECKPOINT_PAGES / 2) return;
    try {
      this.sqlite.exec('DROP TABLE IF EXISTS room; CREATE TABLE room (bytes BLOB)');
      this.sqlite.exec(`INSERT INTO room VALUES (zeroblob(${RESERVE}))`);
      this.sqlite.exec('DROP TABLE room; PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // The disk is full already; the next start tries again.
    }
  }

  /** Runs `body` in one transaction: all of it or nothing. `body` must not await. */
  transaction<T>(body: () => T): T {
    return this.sqlite.transaction(body).immediate();
  }

  /**
   * Runs `body`, whose commits survive a crash of this process but perhaps not one of the machine: for rows about
   * what a crash of the machine ends anyway. Spares the wait for the disk.
   */
  relaxed(body: () => void): void {
    this.sqlite.exec('PRAGMA synchronous = NORMAL');
    try {
      body();
    } finally {
      this.sqlite.exec('PRAGMA synchronous = FULL');
    }
  }

  close(): void {
    this.sqlite.close();
  }
}

/** For files that an earlier version made readable for everybody. */
function chmodIfThere(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch {
    // Not there.
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

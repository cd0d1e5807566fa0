import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { ContextEntry } from '../../archive/context-entry.ts';
import type { PathPatterns } from '../../base/path-patterns.ts';
import type { SentContextResponse } from '../../wire/build.ts';
import { DaemonError, type EngineClient } from '../client/client.ts';

/** A directory whose files a build takes. */
export interface SourceDirectory {
  /** Absolute, with links followed. */
  readonly root: string;
  readonly excluded: PathPatterns;
  /** What tells its set of files from another of the same directory: path of the ignore file that is not the usual one. */
  readonly rules: string;
}

/** True when the daemon keeps contexts: Docker's does not. */
export async function keepsContexts(client: EngineClient): Promise<boolean> {
  try {
    return Array.isArray(await client.json<unknown>('GET', '/tare/build/contexts'));
  } catch (error) {
    if (error instanceof DaemonError) return false;
    throw error;
  }
}

/** Machines have their own directories, and a home on a network file system is mounted on several. */
function machine(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || hostname();
  } catch {
    return hostname();
  }
}

/**
 * Makes the daemon's copy of a directory equal to it: what it has already stays here.
 * @param told gets the bytes of contents that went out so far
 * @returns the id of the context, for the build that takes it within a minute
 */
export async function sendContext(
  client: EngineClient,
  directory: SourceDirectory,
  told: (bytes: number) => void,
): Promise<string> {
  const { contextEntries, contextFrames } = await import('../../archive/context-sync.ts');
  const { root, excluded, rules } = directory;
  const entries: ContextEntry[] = [];
  let failure: unknown;
  let bytes = 0;
  /** What goes wrong here is the cause; the daemon only sees the request end. */
  async function* watched(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  async function* announced(): AsyncGenerator<Uint8Array> {
    for await (const batch of contextEntries({ root, excluded, always: [], added: [] })) {
      entries.push(...batch);
      yield Buffer.from(`${JSON.stringify(batch)}\n`);
    }
  }
  try {
    const { Id, Wanted } = await client.json<SentContextResponse>('POST', '/tare/build/contexts', {
      query: { key: `${machine()}:${root}:${rules}` },
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: watched(announced()),
    });
    const wanted = Wanted.map(([index, digest]) => ({ index, digest, entry: entries[index]! }));
    const count = (sent: number): void => {
      bytes += sent;
      told(bytes);
    };
    await client.send('POST', '/tare/build/files', {
      query: { id: Id },
      headers: { 'Content-Type': 'application/octet-stream' },
      body: watched(contextFrames(root, wanted, count)),
    });
    told(bytes);
    return Id;
  } catch (error) {
    throw failure ?? error;
  }
}

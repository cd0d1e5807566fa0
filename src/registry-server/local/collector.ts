import { stat } from 'node:fs/promises';
import type { Logger } from '../../base/log.ts';
import type { KeyedMutex } from '../../base/mutex.ts';
import { Breath } from '../../base/streams.ts';
import type { ContentStore } from '../../content/content.ts';
import type { RegistryMetadata } from './metadata.ts';
import type { Uploads } from './uploads.ts';

export interface CollectorParts {
  readonly content: ContentStore;
  readonly metadata: RegistryMetadata;
  readonly uploads: Uploads;
  readonly fileLock: KeyedMutex;
  readonly now: () => number;
  readonly log: Logger;
  /** What is younger, in milliseconds, is never taken: its push may still be under way. */
  readonly grace: number;
  /** Also removes manifests that have no tag, are in no index and refer to nothing that is there. */
  readonly untagged: boolean;
}

export interface CollectionReport {
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  /** Freed. */
  readonly bytes: number;
  readonly milliseconds: number;
}

/**
 * Garbage collection while the registry serves. First links go that no manifest of their repository refers to, are
 * older than the grace period and in no repository that is being pushed to; each by one statement that looks again.
 * Then files go that no row names, each under its digest's lock, so that a push which links the old blob at this
 * moment either comes before and keeps it, or after and finds that it must send it again.
 */
export class Collector {
  readonly #parts: CollectorParts;
  #running: Promise<CollectionReport> | undefined;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  /** One round; while one runs, all callers get that one's report. */
  collect(): Promise<CollectionReport> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #collect(): Promise<CollectionReport> {
    const { metadata, uploads, log, now } = this.#parts;
    const begin = performance.now();
    const cutoff = now() - this.#parts.grace;
    await uploads.sweep();
    const manifests = this.#parts.untagged ? await this.#dropUntagged(cutoff) : 0;
    const links = await this.#unlink(cutoff);
    const { blobs, bytes } = await this.#removeFiles(cutoff);
    metadata.dropEmptyRepositories();
    const report = { manifests, links, blobs, bytes, milliseconds: Math.round(performance.now() - begin) };
    log.info('garbage collected', report);
    return report;
  }

  /** An index goes before what only it held, so this repeats until nothing more is found. */
  async #dropUntagged(cutoff: number): Promise<number> {
    const { metadata, now } = this.#parts;
    const breath = new Breath();
    let dropped = 0;
    for (let found = 1; found > 0; ) {
      found = 0;
      for (const { repository, digest } of metadata.untaggedManifests(cutoff)) {
        await breath.take();
        if (metadata.deleteUntagged(repository, digest, cutoff, now())) found++;
      }
      dropped += found;
    }
    return dropped;
  }

  async #unlink(cutoff: number): Promise<number> {
    const { metadata, uploads } = this.#parts;
    const breath = new Breath();
    let links = 0;
    for (const { repository, digest } of metadata.unreferencedLinks(cutoff)) {
      await breath.take();
      // A row's time is that of the last request's begin or end; one that lasts longer is known here.
      if (uploads.isWriting(repository)) continue;
      if (metadata.unlinkUnreferenced(repository, digest, cutoff)) links++;
    }
    return links;
  }

  async #removeFiles(cutoff: number): Promise<{ blobs: number; bytes: number }> {
    const { content, metadata, fileLock } = this.#parts;
    const breath = new Breath();
    let blobs = 0;
    let bytes = 0;
    for await (const { digest, size } of content.list()) {
      await breath.take();
      if (metadata.isHeld(digest)) continue;
      await fileLock.run(digest, async () => {
        if (metadata.isHeld(digest)) return;
        // A blob that was just committed has no row yet for a moment.
        const age = await stat(content.path(digest)).catch(() => undefined);
        if (age === undefined || age.mtimeMs > cutoff) return;
        await content.remove(digest);
        blobs++;
        bytes += size;
      });
    }
    return { blobs, bytes };
  }
}

import { throwIfCancelled } from '../base/cancellation.ts';
import { isKind } from '../base/errors.ts';
import type { Semaphore } from '../base/semaphore.ts';
import type { ContentStore } from '../content/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Reference } from '../oci/reference.ts';
import { downloadBlob } from './blob-download.ts';
import { LayerProgress } from './progress.ts';
import type { BlobTap, FetchedLayer, FetchOptions } from './registry-client.ts';
import type { RegistrySession } from './session.ts';
import type { SingleFlight } from './single-flight.ts';

/**
 * Who has an image's blobs, in the order to ask: the endpoint that gave the manifest, and behind a mirror the
 * registry itself, which is reached only when the mirror fails.
 */
export type BlobSources = readonly ((signal: AbortSignal) => Promise<RegistrySession>)[];

/** What all fetches of one client share. */
export interface DownloadSlots {
  readonly slots: Semaphore;
  readonly flights: SingleFlight;
}

/**
 * Starts the downloads of an image's layers, lowest first, as many at once as there are slots. The first that
 * fails ends the others, and all that are not ready reject with its error.
 */
export function startLayers(
  sources: BlobSources,
  ref: Reference,
  layers: readonly Descriptor[],
  diffIds: readonly string[],
  options: FetchOptions,
  content: ContentStore,
  shared: DownloadSlots,
): { layers: FetchedLayer[]; done: Promise<void> } {
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const fetched = layers.map((descriptor, index): FetchedLayer => {
    const diffId = diffIds[index] ?? '';
    const progress = new LayerProgress(descriptor.digest, descriptor.size, options.report);
    const skipped = options.skipLayer?.(diffId, index, diffIds) ?? false;
    if (skipped) progress.status('Already exists');
    const ready = skipped
      ? Promise.resolve()
      : fetchBlob(sources, ref, descriptor, content, shared, {
          signal,
          progress,
          hold: options.hold,
          tap: () => options.tapFor?.(diffId, descriptor.size),
        });
    ready.catch((error: unknown) => failure.abort(error));
    return { descriptor, diffId, skipped, ready };
  });
  const done = Promise.allSettled(fetched.map((layer) => layer.ready)).then(() => {
    throwIfCancelled(signal);
  });
  done.catch(() => {});
  return { layers: fetched, done };
}

/** Brings a blob into the store unless it is there; joins a download of the same blob. */
export async function fetchBlob(
  sources: BlobSources,
  ref: Reference,
  descriptor: Descriptor,
  content: ContentStore,
  shared: DownloadSlots,
  options: {
    readonly signal: AbortSignal;
    readonly progress?: LayerProgress;
    readonly hold: ((digest: string) => void) | undefined;
    readonly tap?: () => BlobTap | undefined;
  },
): Promise<void> {
  const { signal, progress, hold, tap } = options;
  hold?.(descriptor.digest);
  if (content.size(descriptor.digest) !== undefined) {
    progress?.status('Already exists');
    return;
  }
  progress?.status('Pulling fs layer');
  if (!shared.slots.idle) progress?.status('Waiting');
  const work = (flightSignal: AbortSignal, tell: (current: number) => void) =>
    shared.slots.run(flightSignal, async () => {
      // Another fetch may have brought it while this one waited.
      if (content.size(descriptor.digest) !== undefined) return;
      await downloadFrom(sources, flightSignal, (session) =>
        downloadBlob(session, ref, descriptor, content, { progress: tell, tap }, flightSignal),
      );
    });
  await shared.flights.run(descriptor.digest, signal, (current) => progress?.downloading(current), work);
  progress?.status('Verifying Checksum');
  progress?.status('Download complete');
}

/** Tries the sources in order; the last one's error is the one that is told. */
async function downloadFrom(
  sources: BlobSources,
  signal: AbortSignal,
  download: (session: RegistrySession) => Promise<void>,
): Promise<void> {
  for (const [index, open] of sources.entries()) {
    try {
      return await download(await open(signal));
    } catch (error) {
      // A full disk is no better with another source.
      const elsewhere = isKind(error, 'not-found', 'unauthorized', 'unavailable', 'timeout', 'corrupt');
      if (index === sources.length - 1 || !elsewhere || signal.aborted) throw error;
    }
  }
}
